//! Typed access to `config.json`.

use serde_json::Value;

use super::ConfigError;

/// Typed access that names the key when something is off.
pub struct Keys<'a>(pub &'a Value);

impl<'a> Keys<'a> {
    fn wrong(key: &str, expected: &'static str, found: &Value) -> ConfigError {
        ConfigError::Wrong { key: key.to_owned(), expected, found: found.to_string() }
    }

    pub fn present(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    pub fn string(&self, key: &'static str) -> Result<&'a str, ConfigError> {
        let value = self.present(key).ok_or(ConfigError::Missing { key })?;
        value.as_str().ok_or_else(|| Self::wrong(key, "a string", value))
    }

    pub fn positive(&self, key: &'static str) -> Result<i64, ConfigError> {
        let value = self.present(key).ok_or(ConfigError::Missing { key })?;
        value.as_i64().filter(|n| *n > 0).ok_or_else(|| Self::wrong(key, "a positive integer", value))
    }

    pub fn optional_int(&self, key: &str) -> Result<Option<i64>, ConfigError> {
        self.present(key).map(|v| v.as_i64().ok_or_else(|| Self::wrong(key, "an integer", v))).transpose()
    }

    pub fn optional_float(&self, key: &str) -> Result<Option<f64>, ConfigError> {
        self.present(key).map(|v| v.as_f64().ok_or_else(|| Self::wrong(key, "a number", v))).transpose()
    }

    pub fn optional_bool(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.present(key).map(|v| v.as_bool().ok_or_else(|| Self::wrong(key, "true or false", v))).transpose()
    }
}
