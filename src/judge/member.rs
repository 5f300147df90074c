//! Who is asked: a server, a model on this machine, or a script.

use std::sync::Arc;

use super::JudgeError;
use super::desk::Desk;
use super::endpoint::{Address, Endpoint, PREFIX};
use super::local::{LocalDesk, Open};
use super::mock::MockJudge;
use super::settings::{EndpointSettings, JudgeSettings};

/// One judge of a panel.
pub(super) struct Member {
    pub name: Arc<str>,
    pub who: Who,
}

pub(super) enum Who {
    Endpoint(Box<Desk>),
    Local(Box<LocalDesk>),
    Mock(MockJudge),
}

/// The judge that a spec names.
pub(super) fn member(
    spec: &str,
    settings: &JudgeSettings,
    endpoint: &EndpointSettings,
    seed: u64,
    local: Open<'_>,
) -> Result<Member, JudgeError> {
    let mock = match spec {
        "mock" | "mock:length" => Some(MockJudge::Length),
        "mock:random" => Some(MockJudge::Random { seed }),
        _ => None,
    };
    if let Some(rule) = mock {
        return Ok(Member { name: spec.into(), who: Who::Mock(rule) });
    }
    if !spec.starts_with(PREFIX) {
        let desk = LocalDesk::new(local(spec)?, endpoint)?;
        return Ok(Member { name: desk.name().into(), who: Who::Local(Box::new(desk)) });
    }
    let address = Address::parse(spec)?;
    let server = Endpoint::new(&address.url, endpoint)?;
    let model = match address.model {
        Some(model) => model,
        None => server.only_model()?,
    };
    let name = format!("{PREFIX}{}#{model}", address.url);
    let prices = settings.prices_of(&model);
    Ok(Member { name: name.into(), who: Who::Endpoint(Box::new(Desk::new(server, model, endpoint, prices)?)) })
}
