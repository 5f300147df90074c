//! How often and after what wait a request is made again.

use std::time::{Duration, Instant};

use super::error::HubError;
use super::settings::HubSettings;
use crate::retry::{backoff, jitter};

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
            Failure::NoConnection(error) => Ok((backoff(self.settings.first_wait, self.failed, jitter()), error)),
            Failure::Passing { wait: Some(wait), error } if wait <= self.settings.longest_wait => Ok((wait, error)),
            Failure::Passing { wait: Some(_), error } => Err(error),
            Failure::Passing { wait: None, error } => {
                Ok((backoff(self.settings.first_wait, self.failed, jitter()), error))
            }
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
