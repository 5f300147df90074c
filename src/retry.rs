//! Waiting between attempts: how long, and what a server asks for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Doubles with every failure, up to half a minute; `jitter` in [0, 1) makes it 50 % to 150 %, so that
/// many who failed together do not come back together.
pub fn backoff(first: Duration, failed: u32, jitter: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30);
    let doubled = first.saturating_mul(1 << (failed.clamp(1, 16) - 1));
    doubled.min(LONGEST).mul_f64(0.5 + jitter)
}

/// Differs between processes and moments; no result depends on it.
pub fn jitter() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    f64::from(now ^ std::process::id().rotate_left(16)) / 2f64.powi(32)
}

/// Seconds that a server asks to wait: `Retry-After: 30`, or the hub's `RateLimit: "api";r=0;t=30`.
pub fn asked_wait(retry_after: Option<&str>, rate_limit: Option<&str>) -> Option<Duration> {
    let of_limit = |limit: &str| {
        let plain: String = limit.split_whitespace().collect();
        let fields = || plain.split(';');
        let is_used_up = fields().any(|field| field == "r=0");
        fields().find_map(|field| field.strip_prefix("t=")?.parse().ok()).filter(|_| is_used_up)
    };
    let seconds: f64 = retry_after.and_then(|text| text.trim().parse().ok()).or_else(|| of_limit(rate_limit?))?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_jitter_stays_in_bounds() {
        let wait = |failed, jitter| backoff(Duration::from_secs(1), failed, jitter).as_secs_f64();
        assert_eq!([1, 2, 3, 6, 40].map(|failed| wait(failed, 0.5)), [1.0, 2.0, 4.0, 30.0, 30.0]);
        assert_eq!([wait(1, 0.0), wait(2, 0.0)], [0.5, 1.0]);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&jitter())));
    }

    #[test]
    fn servers_say_how_long_to_wait() {
        let seconds = |after, limit| asked_wait(after, limit).map(|wait| wait.as_secs_f64());
        assert_eq!(seconds(Some("30"), None), Some(30.0));
        assert_eq!(seconds(Some("0.25"), None), Some(0.25));
        assert_eq!(seconds(Some("-1"), None), None);
        assert_eq!(seconds(None, Some("\"resolvers\"; r = 0; t=12")), Some(12.0));
        assert_eq!(seconds(None, Some("\"api\";r=499;t=12")), None);
        assert_eq!(seconds(Some("Wed, 21 Oct 2026 07:28:00 GMT"), None), None, "dates fall back to the usual wait");
    }
}
