//! A cap on tokens and money that is kept beforehand: a request is made only if the most it can cost still fits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::JudgeError;
use super::wire::{Reply, Request};

/// What requests cost, at most or in fact.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    pub tokens: u64,
    pub money: f64,
}

impl Cost {
    /// The most a request can cost: every token has a byte of text at least, and the reply ends at its limit.
    pub fn at_most(request: &Request, prices: Option<[f64; 2]>) -> Cost {
        Cost::of(request.n_bytes as u64, u64::from(request.max_tokens), prices)
    }

    /// What a reply cost; `None` where the server does not say.
    pub fn of_reply(reply: &Reply, prices: Option<[f64; 2]>) -> Option<Cost> {
        Some(Cost::of(u64::from(reply.prompt_tokens?), u64::from(reply.reply_tokens?), prices))
    }

    fn of(prompt: u64, reply: u64, prices: Option<[f64; 2]>) -> Cost {
        let money = prices.map_or(0.0, |[per_in, per_out]| (prompt as f64 * per_in + reply as f64 * per_out) / 1e6);
        Cost { tokens: prompt + reply, money }
    }
}

#[derive(Debug, Default)]
struct Account {
    spent: Cost,
    reserved: Cost,
    n_reserved: usize,
}

/// The cap of one command, over all judges.
#[derive(Debug, Default)]
pub struct Budget {
    tokens: Option<u64>,
    money: Option<f64>,
    account: Mutex<Account>,
    settled: Condvar,
}

impl Budget {
    pub fn new(tokens: Option<u64>, money: Option<f64>) -> Self {
        Self { tokens, money, ..Self::default() }
    }

    pub fn spent(&self) -> Cost {
        self.lock().spent
    }

    /// Sets the most that a request can cost aside. Where it does not fit, waits for requests under way to
    /// cost less than they might have.
    ///
    /// # Errors
    /// It does not fit, and nothing is under way.
    pub fn reserve(&self, cost: Cost) -> Result<(), JudgeError> {
        let mut account = self.lock();
        loop {
            let tokens = account.spent.tokens + account.reserved.tokens + cost.tokens;
            let money = account.spent.money + account.reserved.money + cost.money;
            let no_tokens = self.tokens.is_some_and(|cap| tokens > cap);
            let no_money = self.money.is_some_and(|cap| money > cap);
            if !(no_tokens || no_money) {
                account.reserved.tokens += cost.tokens;
                account.reserved.money += cost.money;
                account.n_reserved += 1;
                return Ok(());
            }
            if account.n_reserved == 0 {
                return Err(match (no_tokens, self.tokens, self.money) {
                    (true, Some(cap), _) => JudgeError::Budget {
                        spent: account.spent.tokens.to_string(),
                        cap: cap.to_string(),
                        unit: "tokens, and the next question may need more than is left",
                    },
                    (_, _, cap) => JudgeError::Budget {
                        spent: format!("{:.6}", account.spent.money),
                        cap: format!("{:.6}", cap.unwrap_or_default()),
                        unit: "units of money, and the next question may cost more than is left",
                    },
                });
            }
            account = self.settled.wait(account).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A request is over: what was set aside is free, what it cost is spent.
    pub fn settle(&self, reserved: Cost, cost: Cost) {
        let mut account = self.lock();
        account.n_reserved = account.n_reserved.saturating_sub(1);
        account.reserved.tokens = account.reserved.tokens.saturating_sub(reserved.tokens);
        account.reserved.money = if account.n_reserved == 0 { 0.0 } else { account.reserved.money - reserved.money };
        account.spent.tokens += cost.tokens;
        account.spent.money += cost.money;
        self.settled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_is_never_passed() {
        let budget = Budget::new(Some(100), Some(1.0));
        let cost = |tokens| Cost { tokens, money: 0.0 };
        budget.reserve(cost(60)).unwrap();
        budget.settle(cost(60), cost(30));
        budget.reserve(cost(70)).unwrap();
        budget.settle(cost(70), cost(10));
        let error = budget.reserve(cost(61)).unwrap_err();
        assert!(error.to_string().starts_with("the budget is used up: 40 of 100 tokens"), "{error}");
        budget.reserve(Cost { tokens: 1, money: 0.9 }).unwrap();
        budget.settle(Cost { tokens: 1, money: 0.9 }, Cost { tokens: 1, money: 0.9 });
        assert!(budget.reserve(Cost { tokens: 1, money: 0.2 }).unwrap_err().to_string().contains("money"));
        assert_eq!(budget.spent().tokens, 41);
    }

    #[test]
    fn who_does_not_fit_waits_for_those_under_way() {
        let budget = Budget::new(Some(100), None);
        let most = Cost { tokens: 80, money: 0.0 };
        budget.reserve(most).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| budget.reserve(most));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!second.is_finished());
            budget.settle(most, Cost { tokens: 5, money: 0.0 });
            second.join().unwrap().unwrap();
        });
    }
}
