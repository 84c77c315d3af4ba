use super::*;
use crate::scenario::Scenario;
use crate::world::{Origin, run};
use pretty_assertions::assert_eq;
