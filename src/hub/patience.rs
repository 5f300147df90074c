//! How often and after what wait a request is made again.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::error::HubError;
use super::settings::HubSettings;

/// A request that came to nothing.
pub(super) enum Failure {
    /// May go better next time; `wait`: the server said when.
    Passing {
        error: HubError,
        wait: Option<Duration>,
    },
    /// There was not even a connection.
    NoConnection(HubError),
    Final(HubError),
}

impl Failure {
    pub fn passing(error: HubError) -> Self {
        Failure::Passing { error, wait: None }
    }

    pub fn into_error(self) -> HubError {
        match self {
            Failure::Passing { error, .. } | Failure::NoConnection(error) | Failure::Final(error) => error,
        }
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Failure::Final(error)
    }
}

/// The attempts at one request that are left.
pub(super) struct Patience<'a> {
    settings: &'a HubSettings,
    failed: u32,
    without_connection: u32,
}

/// Most often there is no network at all, and who waits wants to know soon.
const WITHOUT_CONNECTION: u32 = 3;

impl<'a> Patience<'a> {
    pub fn new(settings: &'a HubSettings) -> Self {
        Self { settings, failed: 0, without_connection: WITHOUT_CONNECTION.min(settings.attempts) }
    }

    /// For a download: the network was there a moment ago.
    pub fn under_way(settings: &'a HubSettings) -> Self {
        Self { without_connection: settings.attempts, ..Self::new(settings) }
    }

    /// A transfer that got further may fail as often again.
    pub fn got_further(&mut self) {
        self.failed = 0;
    }

    /// How long to wait after a failure, and what it was; the error where there is no point in waiting.
    fn after(&mut self, failure: Failure) -> Result<(Duration, HubError), HubError> {
        self.failed += 1;
        match failure {
            Failure::Final(error) => Err(error),
            Failure::Passing { error, .. } if self.failed >= self.settings.attempts => Err(error),
            Failure::NoConnection(error) if self.failed >= self.without_connection => Err(error),
            Failure::NoConnection(error) => Ok((self.backoff(jitter()), error)),
            Failure::Passing { wait: Some(wait), error } if wait <= self.settings.longest_wait => Ok((wait, error)),
            Failure::Passing { wait: Some(_), error } => Err(error),
            Failure::Passing { wait: None, error } => Ok((self.backoff(jitter()), error)),
        }
    }

    /// Makes a request until it succeeds or there is no point in going on. `tell` gets a line before every
    /// wait; `go_on` is asked while waiting.
    pub fn persist<T>(
        mut self,
        go_on: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(String),
        mut request: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, HubError> {
        loop {
            match request() {
                Ok(value) => return Ok(value),
                Err(failure) => self.rest(failure, go_on, tell)?,
            }
        }
    }

    /// Waits after a failure, or gives its error back.
    pub fn rest(
        &mut self,
        failure: Failure,
        go_on: &dyn Fn() -> bool,
        tell: &mut dyn FnMut(String),
    ) -> Result<(), HubError> {
        const SLICE: Duration = Duration::from_millis(100);
        let (wait, error) = self.after(failure)?;
        tell(format!("{error}; next attempt in {:.0} s", wait.as_secs_f64().ceil()));
        let until = Instant::now() + wait;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if !go_on() {
                return Err(HubError::Stopped);
            }
            std::thread::sleep(left.min(SLICE));
        }
        Ok(())
    }

    /// Doubles with every failure, up to half a minute; `jitter` in [0, 1) makes it 50 % to 150 %, so that
    /// many who failed together do not come back together.
    fn backoff(&self, jitter: f64) -> Duration {
        const LONGEST: Duration = Duration::from_secs(30);
        let doubled = self.settings.first_wait.saturating_mul(1 << (self.failed.clamp(1, 16) - 1));
        doubled.min(LONGEST).mul_f64(0.5 + jitter)
    }
}

/// Differs between processes and moments; no result depends on it.
fn jitter() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    f64::from(now ^ std::process::id().rotate_left(16)) / 2f64.powi(32)
}

/// Seconds that a server asks to wait: `Retry-After: 30`, or the hub's `RateLimit: "api";r=0;t=30`.
pub(super) fn asked_wait(retry_after: Option<&str>, rate_limit: Option<&str>) -> Option<Duration> {
    let of_limit = |limit: &str| {
        let fields = || limit.split(';').map(str::trim);
        let is_used_up = fields().any(|field| field == "r=0");
        fields().find_map(|field| field.strip_prefix("t=")?.parse().ok()).filter(|_| is_used_up)
    };
    let seconds = retry_after.and_then(|text| text.trim().parse().ok()).or_else(|| of_limit(rate_limit?))?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_jitter_stays_in_bounds() {
        let settings = HubSettings { first_wait: Duration::from_secs(1), ..HubSettings::from_env().unwrap() };
        let wait = |failed, jitter| Patience { failed, ..Patience::new(&settings) }.backoff(jitter).as_secs_f64();
        assert_eq!([1, 2, 3, 6, 40].map(|failed| wait(failed, 0.5)), [1.0, 2.0, 4.0, 30.0, 30.0]);
        assert_eq!([wait(1, 0.0), wait(2, 0.0)], [0.5, 1.0]);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&jitter())));
    }

    #[test]
    fn patience_ends() {
        let settings = HubSettings { attempts: 3, ..HubSettings::from_env().unwrap() };
        let passing = |wait| Failure::Passing { error: HubError::Stopped, wait };
        let mut patience = Patience::new(&settings);
        assert!(patience.after(passing(None)).is_ok() && patience.after(passing(None)).is_ok());
        assert!(patience.after(passing(None)).is_err());
        patience.got_further();
        assert_eq!(patience.after(passing(Some(Duration::from_secs(7)))).unwrap().0, Duration::from_secs(7));
        assert!(patience.after(passing(Some(Duration::from_secs(3600)))).is_err(), "an hour is too long");
        assert!(patience.after(Failure::Final(HubError::Stopped)).is_err());
    }

    #[test]
    fn servers_say_how_long_to_wait() {
        let seconds = |after, limit| asked_wait(after, limit).map(|wait| wait.as_secs());
        assert_eq!(seconds(Some("30"), None), Some(30));
        assert_eq!(seconds(None, Some("\"resolvers\";r=0;t=12")), Some(12));
        assert_eq!(seconds(None, Some("\"api\";r=499;t=12")), None);
        assert_eq!(seconds(Some("Wed, 21 Oct 2026 07:28:00 GMT"), None), None, "dates fall back to the usual wait");
    }
}
