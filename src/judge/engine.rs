//! From comparisons to judgments: questions by order and sample, replies, follow-ups where a reply says nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::budget::{Budget, Cost};
use super::desk::{Obtained, Tally};
use super::fit;
use super::grammar::{Meaning, Place, words_of};
use super::local::Open;
use super::member::{Member, Who, member};
use super::order::{self, Orders};
use super::prompt::{self, Extras, Hint, Wording};
use super::protocol::Protocol;
use super::reading::{Understood, understand};
use super::settings::{EndpointSettings, JudgeSettings};
use super::teaching;
use super::wire::{Reply, Request};
use super::{JudgeError, Judgment, Outcome};
use crate::lang::Lang;
use crate::preference::{Comparison, Message, Role};
use crate::random;

/// A protocol and who is asked by it.
pub struct Judge {
    pub protocol: Protocol,
    /// Of subsets that are judged another way.
    by_subset: BTreeMap<String, Protocol>,
    settings: JudgeSettings,
    seed: u64,
    members: Vec<Member>,
    budget: Budget,
    /// Verdicts whose probabilities were asked for and did not come.
    without_probabilities: AtomicU64,
}

/// One question on its way to a judgment.
struct Question {
    item: usize,
    shown: Vec<usize>,
    sample: u16,
    messages: Vec<Message>,
    asks: u16,
    prompt_tokens: Option<u32>,
    reply_tokens: Option<u32>,
    cost: Option<f64>,
    reply: Reply,
    understood: Understood,
}

impl Judge {
    /// `specs`: the judge and the further members of its panel, as in `--model`; servers and scripted ones.
    pub fn open(
        specs: &[&str],
        settings: &JudgeSettings,
        endpoint: &EndpointSettings,
        seed: u64,
    ) -> Result<Self, JudgeError> {
        let mut none = |spec: &str| {
            let problem = "it is neither endpoint:URL nor a scripted judge".to_owned();
            Err(JudgeError::Address { given: spec.to_owned(), problem })
        };
        Self::open_with(specs, settings, endpoint, seed, &mut none)
    }

    /// The same where `local` opens what is neither behind a server nor scripted.
    pub fn open_with(
        specs: &[&str],
        settings: &JudgeSettings,
        endpoint: &EndpointSettings,
        seed: u64,
        local: Open<'_>,
    ) -> Result<Self, JudgeError> {
        settings.check()?;
        endpoint.check()?;
        let name = settings.protocol.as_deref().unwrap_or_default();
        let protocol = Protocol::find(name)?;
        let of_subset = |(subset, name): (&String, &String)| Ok((subset.clone(), Protocol::find(name)?));
        let by_subset = settings.subsets.iter().map(of_subset).collect::<Result<BTreeMap<_, _>, JudgeError>>()?;
        let mut members: Vec<Member> = Vec::new();
        for spec in specs {
            let member = member(spec, settings, endpoint, seed, local)?;
            if members.iter().any(|known| known.name == member.name) {
                let problem = format!("the judge `{}` is named twice", member.name);
                return Err(JudgeError::Setting { key: "judge.panel", problem });
            }
            members.push(member);
        }
        let budget = Budget::new(endpoint.budget_tokens, endpoint.budget_money);
        fit::check(&members, std::iter::once(&protocol).chain(by_subset.values()), settings, endpoint)?;
        Ok(Self {
            protocol,
            by_subset,
            settings: settings.clone(),
            seed,
            members,
            budget,
            without_probabilities: AtomicU64::new(0),
        })
    }

    /// The protocol that a comparison is judged by.
    pub fn protocol_of(&self, comparison: &Comparison) -> &Protocol {
        self.by_subset.get(comparison.subset.as_str()).unwrap_or(&self.protocol)
    }

    /// SHA-256 of the protocols in use, by name.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let all = std::iter::once(&self.protocol).chain(self.by_subset.values());
        all.map(|protocol| (format!("protocol/{}", protocol.name), protocol.digest.clone())).collect()
    }

    fn orders_of(&self, protocol: &Protocol) -> Orders {
        self.settings.orders.unwrap_or(protocol.orders)
    }

    /// The judges' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| &*member.name)
    }

    /// Whether any judge is behind a server.
    pub fn is_remote(&self) -> bool {
        self.members.iter().any(|member| matches!(member.who, Who::Endpoint(_)))
    }

    /// Whether any judge is a model on this machine.
    pub fn is_local(&self) -> bool {
        self.members.iter().any(|member| matches!(member.who, Who::Local(_)))
    }

    /// What this command has asked for, by judge.
    pub fn tallies(&self) -> impl Iterator<Item = (&str, &Tally)> {
        self.members.iter().filter_map(|member| match &member.who {
            Who::Endpoint(desk) => Some((&*member.name, &desk.tally)),
            Who::Local(desk) => Some((&*member.name, &desk.tally)),
            Who::Mock(_) => None,
        })
    }

    /// What this command has spent.
    pub fn spent(&self) -> Cost {
        self.budget.spent()
    }

    /// Verdicts of this command whose probabilities were asked for and did not come: they count whole.
    pub fn without_probabilities(&self) -> u64 {
        self.without_probabilities.load(Ordering::Relaxed)
    }

    /// How many judgments a comparison takes.
    ///
    /// # Errors
    /// The protocol does not fit it.
    pub fn n_judgments(&self, comparison: &Comparison) -> Result<usize, JudgeError> {
        let sets = self.sets(comparison)?;
        let orders = self.orders_of(self.protocol_of(comparison));
        let shown: usize = sets.iter().map(|places| order::orders(orders, comparison, places, self.seed).len()).sum();
        Ok(shown * usize::from(self.settings.samples) * self.members.len())
    }

    /// Judgments of every comparison, in order of judges, sets of responses, orders and samples. `done(n)`: so many
    /// more comparisons are through.
    pub fn judge(
        &self,
        items: &[(&Comparison, &Extras)],
        done: &mut dyn FnMut(u64),
    ) -> Result<Vec<Vec<Judgment>>, JudgeError> {
        let mut judgments: Vec<Vec<Judgment>> = items.iter().map(|_| Vec::new()).collect();
        let mut told = 0;
        for (number, member) in self.members.iter().enumerate() {
            let mut questions = self.questions(items)?;
            let total = questions.len() * self.members.len();
            let before = questions.len() * number;
            let mut answered = 0;
            let mut progress = || {
                answered += 1;
                let through = ((before + answered) * items.len() / total.max(1)) as u64;
                done(through - told);
                told = through;
            };
            self.ask(member, items, &mut questions, &mut progress)?;
            for question in questions {
                judgments[question.item].push(self.judgment(member, question));
            }
        }
        done(items.len() as u64 - told);
        Ok(judgments)
    }

    fn sets(&self, comparison: &Comparison) -> Result<Vec<Vec<usize>>, JudgeError> {
        order::sets(comparison, self.protocol_of(comparison).shows).map_err(|problem| JudgeError::Item {
            item: comparison.id.to_string(),
            lang: comparison.lang,
            row: comparison.row,
            problem,
        })
    }

    fn questions(&self, items: &[(&Comparison, &Extras)]) -> Result<Vec<Question>, JudgeError> {
        let mut questions = Vec::new();
        for (item, (comparison, extras)) in items.iter().enumerate() {
            let protocol = self.protocol_of(comparison);
            let policy = self.orders_of(protocol);
            self.check_language(comparison)?;
            for places in self.sets(comparison)? {
                for shown in order::orders(policy, comparison, &places, self.seed) {
                    let wordings = self.settings.wordings();
                    let mut messages = prompt::messages(protocol, comparison, extras, &shown, wordings)?;
                    if self.settings.hint != Hint::None {
                        let right = self.settings.hint == Hint::Right;
                        let hint = teaching::hint(protocol, &shown, comparison.chosen.len(), right);
                        let problem = |problem| JudgeError::Setting { key: "judge.hint", problem };
                        prompt::add_hint(protocol, &mut messages, &hint.map_err(problem)?)?;
                    }
                    for sample in 0..self.settings.samples {
                        questions.push(Question {
                            item,
                            shown: shown.clone(),
                            sample,
                            messages: messages.clone(),
                            asks: 0,
                            prompt_tokens: Some(0),
                            reply_tokens: Some(0),
                            cost: None,
                            reply: Reply::default(),
                            understood: Understood::default(),
                        });
                    }
                }
            }
        }
        Ok(questions)
    }

    /// A prompt in the item's language needs sentences in it.
    fn check_language(&self, comparison: &Comparison) -> Result<(), JudgeError> {
        let protocol = self.protocol_of(comparison);
        let lacks = self.settings.prompt_language == Wording::Target
            && !protocol.phrases.is_empty()
            && protocol.phrases(comparison.lang).is_none();
        if !lacks {
            return Ok(());
        }
        let known: Vec<&str> = protocol.phrases.keys().map(String::as_str).collect();
        let problem = format!("`{}` has no prompt in {}; it has {}", protocol.name, comparison.lang, known.join(", "));
        Err(JudgeError::Setting { key: "judge.prompt-language", problem })
    }

    /// Questions at most for one judgment.
    fn most_asks(&self, protocol: &Protocol) -> u16 {
        self.settings.asks.unwrap_or(if protocol.verdict.follow_up.is_some() { 2 } else { 1 })
    }

    /// Asks until every question has a verdict or has been asked often enough.
    fn ask(
        &self,
        member: &Member,
        items: &[(&Comparison, &Extras)],
        questions: &mut [Question],
        done: &mut dyn FnMut(),
    ) -> Result<(), JudgeError> {
        let protocol = |question: &Question| self.protocol_of(items[question.item].0);
        for round in 0.. {
            let is_open = |question: &Question| {
                round == 0
                    || question.understood.outcome == Some(Outcome::Unparsed)
                        && round < self.most_asks(protocol(question))
            };
            let open: Vec<usize> = (0..questions.len()).filter(|i| is_open(&questions[*i])).collect();
            if open.is_empty() {
                break;
            }
            let mut nothing = || {};
            let done: &mut dyn FnMut() = if round == 0 { &mut *done } else { &mut nothing };
            let obtained = match &member.who {
                Who::Mock(rule) => {
                    let reply = |i: &usize| {
                        let question = &questions[*i];
                        let sample = question.sample + self.settings.samples * round;
                        done();
                        Obtained::Reply(rule.reply(protocol(question), items[question.item].0, &question.shown, sample))
                    };
                    open.iter().map(reply).collect()
                }
                Who::Endpoint(desk) => {
                    let request =
                        |i: &usize| self.request(&desk.model, items[questions[*i].item].0, &questions[*i], round);
                    desk.obtain(&open.iter().map(request).collect::<Vec<_>>(), &self.budget, done)?
                }
                Who::Local(desk) => {
                    let request = |i: &usize| {
                        let (question, comparison) = (&questions[*i], items[questions[*i].item].0);
                        let request = self.request(desk.name(), comparison, question, round);
                        let protocol = protocol(question);
                        request.of_this_machine(protocol, self.words(protocol, comparison.lang))
                    };
                    desk.obtain(&open.iter().map(request).collect::<Vec<_>>(), done)?
                }
            };
            for (i, obtained) in open.into_iter().zip(obtained) {
                let protocol = protocol(&questions[i]);
                let lang = items[questions[i].item].0.lang;
                let (reply, understood) = match obtained {
                    Obtained::Reply(reply) => {
                        let understood = understand(&reply, protocol, lang, self.settings.parser);
                        (reply, understood)
                    }
                    Obtained::Failed(problem) => (Reply::default(), Understood::without_reply(&problem)),
                };
                let lacks = understood.outcome == Some(Outcome::Verdict) && understood.probabilities.is_none();
                if lacks && !matches!(member.who, Who::Mock(_)) && self.settings.wants_log_probs(protocol.ask.log_probs)
                {
                    self.without_probabilities.fetch_add(1, Ordering::Relaxed);
                }
                questions[i].take(reply, understood, self.prices(member), protocol.verdict.follow_up.as_deref());
            }
        }
        Ok(())
    }

    fn prices(&self, member: &Member) -> Option<[f64; 2]> {
        match &member.who {
            Who::Endpoint(desk) => desk.prices(),
            Who::Local(_) | Who::Mock(_) => None,
        }
    }

    /// Words whose probabilities are the verdict, where they are asked for.
    fn words(&self, protocol: &Protocol, lang: Lang) -> Vec<String> {
        if !matches!(protocol.verdict.place, Place::FirstWord) || !self.settings.wants_log_probs(protocol.ask.log_probs)
        {
            return Vec::new();
        }
        match protocol.verdict.meaning {
            Meaning::YesNo => words_of(lang),
            Meaning::Letter { .. } => prompt::LETTERS.iter().take(protocol.shows).map(|l| (*l).to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    fn request(&self, model: &str, comparison: &Comparison, question: &Question, round: u16) -> Request {
        let key = format!(
            "{}\u{0}{}\u{0}{}\u{0}{:?}\u{0}{}\u{0}{round}",
            comparison.subset, comparison.id, comparison.lang, question.shown, question.sample
        );
        // 31 bits: some servers take signed numbers.
        let seed = (random::uniform(self.seed, "judge-seed", key) * f64::from(1u32 << 31)) as u32;
        Request::new(model, &question.messages, self.protocol_of(comparison), &self.settings, seed)
    }

    fn judgment(&self, member: &Member, question: Question) -> Judgment {
        let Question { understood, reply, .. } = question;
        let keeps = self.settings.keep_replies;
        Judgment {
            judge: member.name.clone(),
            shown: question.shown.iter().map(|place| *place as u16).collect(),
            sample: question.sample,
            outcome: understood.outcome.unwrap_or(Outcome::Error),
            picked: understood.picked.map(|place| place as u16),
            strength: understood.strength,
            rating: understood.rating,
            grades: understood.grades.map(Vec::from),
            probabilities: understood.probabilities,
            reply: Some(reply.text).filter(|text| keeps && !text.is_empty()),
            reasoning: reply.reasoning.filter(|_| keeps),
            why: understood.why,
            finish: reply.finish,
            asks: question.asks,
            prompt_tokens: question.prompt_tokens,
            reply_tokens: question.reply_tokens,
            cost: question.cost,
        }
    }
}

impl Question {
    /// Takes a reply in; where it says nothing and there is a follow-up, the conversation goes on.
    fn take(&mut self, reply: Reply, understood: Understood, prices: Option<[f64; 2]>, follow_up: Option<&str>) {
        self.asks += 1;
        let add = |sum: Option<u32>, more: Option<u32>| Some(sum?.saturating_add(more?));
        if reply.rejected.is_none() {
            self.prompt_tokens = add(self.prompt_tokens, reply.prompt_tokens);
            self.reply_tokens = add(self.reply_tokens, reply.reply_tokens);
            if prices.is_some() {
                self.cost = Cost::of_reply(&reply, prices).map(|cost| self.cost.unwrap_or(0.0) + cost.money);
            }
        }
        if let (Some(Outcome::Unparsed), Some(text)) = (understood.outcome, follow_up) {
            self.messages.push(Message { role: Role::Assistant, content: reply.text.clone() });
            self.messages.push(Message { role: Role::User, content: text.to_owned() });
        }
        (self.reply, self.understood) = (reply, understood);
    }
}
