//! The operator ends between two writes.

use crate::{
    scenarios::{check_calls, scenarios},
    wire::Fault,
};

#[tokio::test]
async fn after_a_crash_behind_any_write_all_comes_to_be_as_without() {
    check_calls(scenarios(), Fault::Crash, |call| call.is_write() && !call.is_event()).await;
}
