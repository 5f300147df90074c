//! The sections that the page's script fills: two runs compared, and the items themselves.

use maud::{Markup, html};

use crate::report::findings::Findings;
use crate::report::items::Items;
use crate::report::number;

/// Sections as they stand in the list of contents: id and title.
pub fn titles(items: &Items<'_>) -> Vec<(&'static str, &'static str)> {
    let compare = (items.table.runs.len() > 1).then_some(("compare", "Two runs compared"));
    compare.into_iter().chain([("items", "Items")]).collect()
}

pub fn sections(findings: &Findings, items: &Items<'_>) -> Markup {
    html! {
        @if items.table.runs.len() > 1 { (compare(findings)) }
        section #items aria-labelledby="items-title" {
            h2 #items-title { "Items" }
            p { (with_code(&extent(items))) }
            noscript { p.note { "The items are shown by this page's script, which is switched off." } }
            p.note #items-failed hidden {}
            div #browser hidden {
                div.controls {
                    @if items.table.runs.len() > 1 {
                        label { "Run A" select #run-a {} }
                        label { "Run B" select #run-b {} }
                    } @else {
                        label { "Run" select #run-a {} }
                    }
                    label { "Show" select #items-show {} }
                    label { "Language" select #items-lang {} }
                    label { "Subset" select #items-subset {} }
                    label.grow { "Search" input #items-search type="search" autocomplete="off" spellcheck="false"; }
                }
                p.status #items-status role="status" {}
                div.heads aria-hidden="true" {
                    span { "Item" } span { "Subset" } span { "Language" }
                    @if items.table.runs.len() > 1 {
                        span.marks { span.mark { "A" } span.mark { "B" } } span.tally { "Runs right" }
                    } @else { span.marks { span.mark { "" } } }
                }
                div.list #items-list role="listbox" tabindex="0" aria-label="Items" {}
                div.item #item aria-live="off" { p.hint { "Choose an item: click, or the arrow keys in the list." } }
            }
        }
    }
}

fn compare(findings: &Findings) -> Markup {
    html! {
        section #compare aria-labelledby="compare-title" {
            h2 #compare-title { "Two runs compared" }
            p {
                "Every item counts alike here, and a tie is not right. The difference is paired over the items for \
                 which both runs have an outcome; its " (number::level(findings.level)) " % interval treats \
                 translations of one source item as one cluster, within its subset. Click a number to see these items."
            }
            noscript { p.note { "The comparison is made by this page's script, which is switched off." } }
            div #comparison hidden {
                div.controls {
                    label { "Run A" select #compare-a {} }
                    label { "Run B" select #compare-b {} }
                    button type="button" #compare-swap { "Swap" }
                    label { "Rows" select #compare-by {
                        option value="lang" { "languages" }
                        option value="subset" { "subsets" }
                    } }
                }
                div #compare-table {}
            }
        }
    }
}

/// Our own words, with what stands between backticks as code.
fn with_code(text: &str) -> Markup {
    html! {
        @for (at, piece) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (piece) } } @else { (piece) }
        }
    }
}

/// What of the items is in the page.
fn extent(items: &Items<'_>) -> String {
    let (kept, all) = (items.kept.len(), items.table.items.len());
    let shown = if kept < all {
        format!(
            "The {} items of {} about which runs disagree most (the setting `items` says how many).",
            number::count(kept),
            number::count(all)
        )
    } else {
        format!("All {} items.", number::count(all))
    };
    let texts = match &items.texts {
        None => "Item texts are not in score tables: `rmbench report --items` takes them from the benchmark's data. \
                 Without it there are ids, rewards and outcomes."
            .to_owned(),
        Some(texts) => {
            let in_page = texts.by_item().keys().filter(|item| items.kept.binary_search(item).is_ok()).count();
            match in_page == texts.n_known && texts.n_known == all {
                true => "With their texts.".to_owned(),
                false => format!(
                    "With the texts of {} of them; the data had {} (the setting `text-megabytes` says how many fit).",
                    number::count(in_page),
                    number::count(texts.n_known)
                ),
            }
        }
    };
    format!("{shown} {texts}")
}
