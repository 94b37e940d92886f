//! One call goes wrong.

use crate::{
    scenarios::{check_calls, named},
    wire::Fault,
};

#[tokio::test]
async fn a_conflict_at_any_call_is_overcome() {
    check_calls(named(&["created", "exposure", "down", "evicted"]), Fault::Answer(409), |_| true).await;
}

#[tokio::test]
async fn a_refusal_for_overload_at_any_call_is_overcome() {
    check_calls(named(&["created", "encoder"]), Fault::Answer(429), |_| true).await;
}

#[tokio::test]
async fn an_error_of_the_server_at_any_call_is_overcome() {
    check_calls(named(&["created", "exposure"]), Fault::Answer(500), |_| true).await;
}

#[tokio::test]
async fn a_lost_answer_to_any_call_is_overcome() {
    check_calls(named(&["created", "encoder", "paused", "another"]), Fault::LoseAnswer, |_| true).await;
}
