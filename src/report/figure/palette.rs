//! Colours: roles that a page's style sheet may restate for dark mode, and ramps for heat maps.

/// sRGB, eight bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    pub fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// Relative luminance as in WCAG 2, 0 to 1.
    fn luminance(self) -> f64 {
        let linear = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// Contrast ratio as in WCAG 2, 1 to 21.
    pub fn contrast(self, other: Rgb) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Black or white, whichever reads better on this colour: at least 4.58:1 on any.
    pub fn words_on(self) -> Ink {
        let black = Rgb(0, 0, 0);
        if self.contrast(black) >= self.contrast(WHITE) { Ink::Fixed(black) } else { Ink::Fixed(WHITE) }
    }

    fn toward(self, other: Rgb, t: f64) -> Rgb {
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * t).round() as u8;
        Rgb(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

pub const WHITE: Rgb = Rgb(0xff, 0xff, 0xff);

/// What a line or word is for. The style sheet names the same roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Strong,
    Muted,
    Rule,
    Paper,
    Reference,
    Crowd,
    /// One of four runs told apart by colour and shape.
    Series(usize),
    /// The same on every background, for words on a coloured cell.
    Fixed(Rgb),
}

impl Ink {
    /// The role's name in the style sheet; `None` for fixed colours.
    pub fn class(self) -> Option<String> {
        Some(match self {
            Ink::Strong => "ink".to_owned(),
            Ink::Muted => "muted".to_owned(),
            Ink::Rule => "rule".to_owned(),
            Ink::Paper => "paper".to_owned(),
            Ink::Reference => "reference".to_owned(),
            Ink::Crowd => "crowd".to_owned(),
            Ink::Series(i) => format!("s{}", i % SERIES.len()),
            Ink::Fixed(_) => return None,
        })
    }

    /// The colour on white paper.
    pub fn on_white(self) -> Rgb {
        match self {
            Ink::Strong => Rgb(0x1b, 0x1f, 0x24),
            Ink::Muted => Rgb(0x57, 0x5e, 0x68),
            Ink::Rule => Rgb(0xe3, 0xe4, 0xe0),
            Ink::Paper => WHITE,
            Ink::Reference => Rgb(0x7a, 0x81, 0x8b),
            Ink::Crowd => Rgb(0xa3, 0xaa, 0xb3),
            Ink::Series(i) => SERIES[i % SERIES.len()],
            Ink::Fixed(rgb) => rgb,
        }
    }
}

/// Okabe and Ito's blue, vermilion, green and purple, darkened to 4.5:1 on white.
const SERIES: [Rgb; 4] = [Rgb(0x00, 0x62, 0xa3), Rgb(0xb5, 0x46, 0x00), Rgb(0x00, 0x75, 0x57), Rgb(0x96, 0x45, 0x7b)];

/// Low to high, lightness falling steadily, so that it survives grey printing and colour blindness.
const SEQUENTIAL: [Rgb; 6] = [
    Rgb(0xfb, 0xf6, 0xe3),
    Rgb(0xd7, 0xe6, 0xc0),
    Rgb(0x99, 0xcd, 0xb2),
    Rgb(0x4f, 0xa6, 0xad),
    Rgb(0x2a, 0x73, 0x96),
    Rgb(0x22, 0x3f, 0x70),
];

/// Below zero brown, above zero blue-green, nothing at zero.
const DIVERGING: [Rgb; 5] =
    [Rgb(0x8c, 0x4a, 0x12), Rgb(0xe0, 0xb4, 0x7a), Rgb(0xf5, 0xf3, 0xee), Rgb(0x8f, 0xc4, 0xbb), Rgb(0x14, 0x6b, 0x66)];

/// Colour at `t` in 0..=1 of the sequential ramp.
pub fn sequential(t: f64) -> Rgb {
    along(&SEQUENTIAL, t)
}

/// Colour at `t` in −1..=1 of the diverging ramp.
pub fn diverging(t: f64) -> Rgb {
    along(&DIVERGING, (t + 1.0) / 2.0)
}

fn along(stops: &[Rgb], t: f64) -> Rgb {
    let scaled = t.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let at = (scaled.floor() as usize).min(stops.len() - 2);
    stops[at].toward(stops[at + 1], scaled - at as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_on_every_cell_colour_reach_aa() {
        for i in 0..=100 {
            let t = f64::from(i) / 100.0;
            for cell in [sequential(t), diverging(2.0 * t - 1.0)] {
                let Ink::Fixed(words) = cell.words_on() else { panic!("fixed") };
                assert!(cell.contrast(words) >= 4.5, "{} at {t}: {:.2}", cell.hex(), cell.contrast(words));
            }
        }
    }

    #[test]
    fn the_sequential_ramp_only_gets_darker() {
        for i in 0..100 {
            let (a, b) = (sequential(f64::from(i) / 100.0), sequential(f64::from(i + 1) / 100.0));
            assert!(a.luminance() >= b.luminance(), "at {i}");
        }
    }

    /// CIELAB (D65) of linear sRGB.
    fn lab(linear: [f64; 3]) -> [f64; 3] {
        const XYZ: [[f64; 3]; 3] =
            [[0.412_456, 0.357_576, 0.180_437], [0.212_673, 0.715_152, 0.072_175], [0.019_334, 0.119_192, 0.950_304]];
        const WHITE_POINT: [f64; 3] = [0.950_47, 1.0, 1.088_83];
        let f = |row: usize| {
            let t = (0..3).map(|i| XYZ[row][i] * linear[i]).sum::<f64>() / WHITE_POINT[row];
            if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 }
        };
        [116.0 * f(1) - 16.0, 500.0 * (f(0) - f(1)), 200.0 * (f(1) - f(2))]
    }

    /// As people see it who lack one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
    #[test]
    fn series_stay_apart_without_one_kind_of_cone() {
        const LACKING: [(&str, [[f64; 3]; 3]); 3] = [
            (
                "long",
                [
                    [0.152_286, 1.052_583, -0.204_868],
                    [0.114_503, 0.786_281, 0.099_216],
                    [-0.003_882, -0.048_116, 1.051_998],
                ],
            ),
            (
                "medium",
                [
                    [0.367_322, 0.860_646, -0.227_968],
                    [0.280_085, 0.672_501, 0.047_413],
                    [-0.011_82, 0.042_94, 0.968_881],
                ],
            ),
            (
                "short",
                [
                    [1.255_528, -0.076_749, -0.178_779],
                    [-0.078_411, 0.930_809, 0.147_602],
                    [0.004_733, 0.691_367, 0.303_9],
                ],
            ),
        ];
        let linear = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        for (cone, matrix) in LACKING {
            let seen = |Rgb(r, g, b): Rgb| {
                let rgb = [linear(r), linear(g), linear(b)];
                lab(matrix.map(|row| (0..3).map(|i| row[i] * rgb[i]).sum::<f64>().clamp(0.0, 1.0)))
            };
            for (i, a) in SERIES.iter().enumerate() {
                for (j, b) in SERIES[..i].iter().enumerate() {
                    let (a, b) = (seen(*a), seen(*b));
                    let apart = (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt();
                    // A just noticeable difference is about 2.3.
                    assert!(apart > 10.0, "without {cone} cones series {i} and {j} are {apart:.1} apart");
                }
            }
        }
    }

    #[test]
    fn series_are_legible_on_white() {
        for i in 0..4 {
            assert!(Ink::Series(i).on_white().contrast(WHITE) >= 4.5, "series {i}");
        }
    }
}
