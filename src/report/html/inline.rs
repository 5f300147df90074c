//! Running text.

use maud::{Markup, html};

use crate::lang::Lang;
use crate::report::block::{Inline, Span, Value};
use crate::report::{language, number};

/// A name no longer than this is not broken into lines.
const SHORT: usize = 16;

pub fn inline(text: &Inline) -> Markup {
    html! { @for span in &text.0 { (self::span(span)) } }
}

fn span(span: &Span) -> Markup {
    html! {
        @match span {
            Span::Text(text) => (text),
            Span::Strong(text) => strong { (text) },
            Span::Name(name) => bdi.short[name.chars().count() <= SHORT] { (name) },
            Span::Code(code) => code { (code) },
            Span::Lang(lang) => (self::lang(*lang)),
            Span::Value(value) => (self::value(value)),
        }
    }
}

/// English name, then the language's own, marked so that the browser picks its font and direction.
pub fn lang(lang: Lang) -> Markup {
    let name = language::name(lang);
    html! {
        span.lang title=(lang.code()) {
            (name)
            @if let Some(native) = language::native(lang).filter(|native| *native != name) {
                " " bdi.native lang=(language::tag(lang)) dir=(language::direction(lang)) { (native) }
            }
        }
    }
}

fn value(value: &Value) -> Markup {
    html! {
        @match &value.estimate {
            Some(estimate) => span.nowrap { (number::in_words(estimate, value.unit)) },
            None => span title=[value.why.as_deref()] { (number::ABSENT) },
        }
    }
}
