//! The tasks of the demonstration: which prompt, which two responses, and how their lengths are evened out.

use rand::RngExt;

use super::lexicon::{ABOUT, Language, Lexicon, NOUNS, OPENINGS, REQUESTS, fill};
use crate::lang::Lang;
use crate::random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    Politeness,
    Language,
    Relevance,
    Refuse,
    Comply,
    Larger,
}

pub struct Category {
    pub name: &'static str,
    /// Its subsets, which take turns.
    pub tasks: &'static [Task],
}

pub const CATEGORIES: [Category; 5] = [
    Category { name: "Politeness", tasks: &[Task::Politeness] },
    Category { name: "Language", tasks: &[Task::Language] },
    Category { name: "Relevance", tasks: &[Task::Relevance] },
    Category { name: "Safety", tasks: &[Task::Refuse, Task::Comply] },
    Category { name: "Accuracy", tasks: &[Task::Larger] },
];

/// Ordered pairs of different digits.
const DIGIT_PAIRS: usize = 90;

impl Task {
    pub fn subset(self) -> &'static str {
        match self {
            Task::Politeness => "politeness",
            Task::Language => "language",
            Task::Relevance => "relevance",
            Task::Refuse => "safety-refuse",
            Task::Comply => "safety-comply",
            Task::Larger => "accuracy",
        }
    }

    /// The pool its prompts come from, the pool's size without openings, and which third of it is this
    /// task's where three tasks share one.
    fn pool(self) -> (&'static str, usize, (usize, usize)) {
        match self {
            Task::Politeness => ("about", ABOUT * NOUNS, (0, 3)),
            Task::Language => ("about", ABOUT * NOUNS, (1, 3)),
            Task::Relevance => ("about", ABOUT * NOUNS, (2, 3)),
            Task::Refuse => ("harmful", REQUESTS, (0, 1)),
            Task::Comply => ("harmless", REQUESTS, (0, 1)),
            Task::Larger => ("larger", DIGIT_PAIRS, (0, 1)),
        }
    }
}

/// One source item: what was drawn, the same for all languages.
#[derive(Debug, Clone)]
pub struct Item {
    task: Task,
    /// 0 is no opening.
    opening: usize,
    /// Which sentence, noun or pair of digits, by the task.
    variant: usize,
    answers: [usize; 2],
    manner: usize,
    other_noun: usize,
    /// For English prompts of the language task: which other language the rejected response is in.
    other_language: usize,
}

impl Item {
    /// The `k`-th item of a task. A quarter of all prompts is kept for the benchmark; both splits go
    /// through their prompts in a random order and begin again when they run out.
    pub fn draw(task: Task, lexicon: &Lexicon, seed: u64, bench: bool, k: usize, id: &str) -> Self {
        let (pool, size, (offset, step)) = task.pool();
        let n_openings = OPENINGS + 1;
        let prompts = random::permutation(size * n_openings, seed, "demo-prompts", pool);
        let (for_bench, for_train) = prompts.split_at(prompts.len() / 4);
        let own = if bench { for_bench } else { for_train };
        let prompt = own[(k * step + offset) % own.len()];
        let mut rng = random::stream(seed, "demo-item", id);
        Self {
            task,
            opening: prompt % n_openings,
            variant: prompt / n_openings,
            answers: [rng.random_range(0..2), rng.random_range(0..2)],
            manner: rng.random_range(0..3),
            other_noun: rng.random_range(1..NOUNS),
            other_language: rng.random_range(1..lexicon.languages.len()),
        }
    }

    /// Prompt, right response and wrong response in a language.
    pub fn texts(
        &self,
        lexicon: &Lexicon,
        language: &Language,
        seed: u64,
        key: &str,
        chosen_is_longer: bool,
    ) -> (String, String, String) {
        let opening = self.opening.checked_sub(1).map_or("", |i| language.openings[i].as_str());
        let (question, chosen, rejected) = self.cores(language);
        let prompt = language.join(&[opening, &question]);
        let (wrong_language, rejected) = match self.task {
            Task::Language => {
                let other = self.wrong_language(lexicon, language);
                (other, fill(&other.answer[self.answers[1]], &[&other.nouns[self.variant % NOUNS]]))
            }
            _ => (language, rejected),
        };
        let mut sides =
            [Side::new(language, chosen, seed, key, "c"), Side::new(wrong_language, rejected, seed, key, "r")];
        even_out(&mut sides, usize::from(!chosen_is_longer));
        let [chosen, rejected] = sides.map(|side| side.text);
        (prompt, chosen, rejected)
    }

    /// The question, and both responses before any closing sentence.
    fn cores(&self, language: &Language) -> (String, String, String) {
        let noun = &language.nouns[self.variant % NOUNS];
        let about = || fill(&language.about[self.variant / NOUNS % ABOUT], &[noun]);
        let answer = |i: usize, noun: &str| fill(&language.answer[self.answers[i]], &[noun]);
        match self.task {
            Task::Politeness => {
                let said = |manner: &str, i: usize| language.join(&[manner, &answer(i, noun)]);
                (about(), said(&language.polite[self.manner], 0), said(&language.rude[self.manner], 1))
            }
            // Both sides of the last two are the same sentence: only what is planted differs.
            Task::Relevance => {
                let other = &language.nouns[(self.variant + self.other_noun) % NOUNS];
                (about(), answer(0, noun), answer(0, other))
            }
            Task::Language => (about(), answer(0, noun), String::new()),
            Task::Refuse => {
                let [refuse, comply] = self.reactions(language);
                (language.harmful[self.variant].clone(), refuse, comply)
            }
            Task::Comply => {
                let [refuse, comply] = self.reactions(language);
                (language.harmless[self.variant].clone(), comply, refuse)
            }
            Task::Larger => {
                let (first, skipped) = (self.variant / 9, self.variant % 9);
                let second = skipped + usize::from(skipped >= first);
                let result = |n: usize| fill(&language.result[self.answers[0]], &[&n.to_string()]);
                let question = fill(&language.larger, &[&first.to_string(), &second.to_string()]);
                (question, result(first.max(second)), result(first.min(second)))
            }
        }
    }

    fn reactions(&self, language: &Language) -> [String; 2] {
        [language.refuse[self.answers[0]].clone(), language.comply[self.answers[1]].clone()]
    }

    fn wrong_language<'a>(&self, lexicon: &'a Lexicon, language: &'a Language) -> &'a Language {
        match lexicon.english() {
            Some(english) if language.code != Lang::ENGLISH => english,
            _ => {
                let own = lexicon.languages.iter().position(|l| l.code == language.code).unwrap_or(0);
                &lexicon.languages[(own + self.other_language) % lexicon.languages.len()]
            }
        }
    }
}

/// A response that closing sentences can be added to.
struct Side<'a> {
    language: &'a Language,
    text: String,
    fillers: Vec<usize>,
    used: usize,
}

impl<'a> Side<'a> {
    fn new(language: &'a Language, text: String, seed: u64, key: &str, side: &str) -> Self {
        let fillers = random::permutation(language.fillers.len(), seed, "demo-fillers", format!("{key}\0{side}"));
        Self { language, text, fillers, used: 0 }
    }

    fn close(&mut self) {
        let filler = &self.language.fillers[self.fillers[self.used % self.fillers.len()]];
        self.text = self.language.join(&[&self.text, filler]);
        self.used += 1;
    }

    fn length(&self) -> usize {
        self.text.chars().count()
    }
}

/// Each response gets one closing sentence, then the one that is to be longer more of them until it is.
fn even_out(sides: &mut [Side<'_>; 2], longer: usize) {
    sides.iter_mut().for_each(Side::close);
    while sides[longer].length() <= sides[1 - longer].length() {
        sides[longer].close();
    }
}
