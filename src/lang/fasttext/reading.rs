//! Bytes of a model's file, and the arguments at its beginning.

const MAGIC: i32 = 793_712_314;
const VERSION: i32 = 12;
const SUPERVISED: i32 = 3;

/// What is left of a file; numbers are little-endian.
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or("the file ends in the middle")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub fn i32(&mut self) -> Result<i32, String> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub fn i64(&mut self) -> Result<i64, String> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub fn flag(&mut self) -> Result<bool, String> {
        Ok(self.take(1)? != [0])
    }

    /// A number of things.
    pub fn count(&mut self) -> Result<usize, String> {
        let n = self.i32()?;
        usize::try_from(n).map_err(|_| format!("a count of {n}"))
    }

    pub fn long_count(&mut self) -> Result<usize, String> {
        let n = self.i64()?;
        usize::try_from(n).map_err(|_| format!("a count of {n}"))
    }

    pub fn floats(&mut self, n: usize) -> Result<Vec<f32>, String> {
        let bytes = self.take(n.checked_mul(4).ok_or("the file ends before so many numbers")?)?;
        Ok(bytes.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect())
    }

    /// Up to a zero byte.
    pub fn text(&mut self) -> Result<&'a [u8], String> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or("the file ends in the middle")?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(text)
    }
}

/// How the labels' rows become probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    Tree,
    Softmax,
    /// A decision per label.
    Single,
}

#[derive(Debug)]
pub struct Arguments {
    pub dim: usize,
    pub bucket: usize,
    /// Characters of n-grams, least and most; no n-grams where most is 0.
    pub characters: (usize, usize),
    /// Tokens of n-grams of tokens.
    pub tokens: usize,
    pub loss: Loss,
}

pub fn arguments(bytes: &mut Bytes<'_>) -> Result<Arguments, String> {
    if bytes.i32()? != MAGIC {
        return Err("it begins otherwise".to_owned());
    }
    let version = bytes.i32()?;
    if version != VERSION {
        return Err(format!("its layout is version {version}, this reads {VERSION}"));
    }
    let dim = bytes.count()?;
    // Window, epochs, least count, negatives: what only training needs.
    bytes.take(16)?;
    let tokens = bytes.count()?;
    let (loss, model) = (bytes.i32()?, bytes.i32()?);
    let bucket = bytes.count()?;
    let characters = (bytes.count()?, bytes.count()?);
    // The rate's updates, the sampling threshold.
    bytes.take(12)?;
    if model != SUPERVISED {
        return Err("it is not supervised: it knows words, but no labels".to_owned());
    }
    let loss = match loss {
        1 => Loss::Tree,
        3 => Loss::Softmax,
        2 | 4 => Loss::Single,
        other => return Err(format!("its loss {other} is not known")),
    };
    Ok(Arguments { dim, bucket, characters, tokens, loss })
}
