//! What all trainers of the cluster may take together, and who gets it when it is short.
//!
//! Each stream has a right to its weighted max-min share. Trainers are whole, shares are not: everyone has the whole
//! part for good, and what is left over goes round in turns. Who has less than its share gathers credit, who has more
//! loses it; a turn ends when someone who waits has [`TURN`](timing::TURN) more credit than the holder. That is the
//! hysteresis: two streams do not take a trainer from each other more often, and nobody waits for ever.
//!
//! What a stream is granted is one thing, what it may have at once another: a trainer that must go counts until its pod
//! is told to, so that there are never more than the budget allows.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::{Add, Sub},
    str::FromStr,
};

use jiff::Timestamp;
use proto::StreamName;

use super::{
    share::{Demand, fair_shares},
    timing,
};

/// How much of each resource trainers may take; what is not named is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Budget(pub BTreeMap<String, u32>);

/// As in `--trainer-budget`: `nvidia.com/gpu=8,cpu=16`.
impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let limit = |part: &str| {
            let (resource, limit) = part.split_once('=')?;
            Some((resource.trim().to_owned(), limit.trim().parse().ok()?))
        };
        parts
            .map(|part| limit(part).ok_or_else(|| format!("{part:?} is not RESOURCE=NUMBER")))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// What a stream wants of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) weight: u32,
    /// Units a trainer takes.
    pub(super) cost: u32,
    /// Trainers.
    pub(super) wanted: u32,
    /// Trainers whose pods exist and have not been told to go.
    pub(super) held: u32,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    claim: Claim,
    /// Trainers. All that is granted fits into the limit.
    granted: u32,
    /// Trainers, of those granted, that there is room for now.
    allowed: u32,
    /// Thousandths of units.
    share: u64,
    /// Thousandths of units, times milliseconds.
    credit: i64,
    /// It has fewer trainers than the whole part of its share since.
    below_since: Option<Timestamp>,
    /// When it was last granted one more, or began to claim.
    granted_at: Timestamp,
}

/// What accounts would take together, and how many lack something.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    units: u64,
    lacking: usize,
}

impl Add for Load {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { units: self.units + other.units, lacking: self.lacking + other.lacking }
    }
}

impl Sub for Load {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { units: self.units - other.units, lacking: self.lacking - other.lacking }
    }
}

/// Of one limited resource.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    limit: u64,
    accounts: BTreeMap<StreamName, Account>,
    settled_at: Timestamp,
    /// Claims have changed since.
    unsettled: bool,
    /// Of all accounts.
    load: Load,
    /// Streams whose grant changed and who do not know yet.
    changed: BTreeSet<StreamName>,
}

/// While somebody waits, who gets what is looked at this often.
const SETTLE_MILLISECONDS: i128 = 1000;
const THOUSANDTHS_MS_PER_UNIT_TURN: i64 = 1000 * timing::TURN.as_secs() * 1000;
/// Who waits further behind has its chance when those before it have what they wait for.
const MOST_LOOKED_AT: usize = 16;
/// So long a wait, in turns, counts.
const MOST_TURNS: i64 = 4;

impl Ledger {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit: limit.into(),
            accounts: BTreeMap::new(),
            settled_at: Timestamp::UNIX_EPOCH,
            unsettled: false,
            load: Load::default(),
            changed: BTreeSet::new(),
        }
    }

    /// How many trainers `stream` may have now.
    pub(super) fn claim(&mut self, stream: &StreamName, claim: Claim, now: Timestamp) -> u32 {
        let known = self.accounts.get(stream).map(|account| account.claim);
        if known.is_none() && claim.wanted == 0 && claim.held == 0 {
            return 0;
        }
        if known != Some(claim) {
            let granted = claim.wanted.min(claim.held);
            let new =
                Account { claim, granted, allowed: granted, share: 0, credit: 0, below_since: None, granted_at: now };
            let account = self.accounts.entry(stream.clone()).or_insert(new);
            let before = if known.is_some() { account.load() } else { Load::default() };
            account.claim = claim;
            let others = self.load - before;
            // The common case: nobody lacks anything, and there is room for all that this one wants.
            let all_have_room = others.lacking == 0 && others.units + account.load().units <= self.limit;
            if all_have_room {
                account.grant_all();
            }
            self.load = others + account.load();
            self.unsettled |= !all_have_room;
        }
        let since = now.duration_since(self.settled_at).as_millis();
        // Thousands who want more at the same time are settled together.
        let is_time = since >= self.accounts.len() as i128 / 50 || since < 0;
        if self.unsettled && is_time || self.load.lacking > 0 && since >= SETTLE_MILLISECONDS {
            self.settle(now);
        }
        self.changed.remove(stream);
        let allowed = self.accounts.get(stream).map_or(0, |account| account.allowed);
        if claim.wanted == 0 && claim.held == 0 {
            self.accounts.remove(stream);
        }
        allowed
    }

    pub(super) fn forget(&mut self, stream: &StreamName, now: Timestamp) {
        self.changed.remove(stream);
        if self.accounts.remove(stream).is_some() {
            self.settle(now);
        }
    }

    /// One trainer takes more than there is.
    pub(super) fn is_too_small_for(&self, cost: u32) -> bool {
        u64::from(cost) > self.limit
    }

    pub(super) fn take_changed(&mut self) -> BTreeSet<StreamName> {
        std::mem::take(&mut self.changed)
    }

    fn is_short(&self) -> bool {
        self.accounts.values().any(Account::is_short)
    }

    fn settle(&mut self, now: Timestamp) {
        self.unsettled = false;
        let before: Vec<u32> = self.accounts.values().map(|account| account.allowed).collect();
        self.count_credit(now);
        self.set_shares(now);
        self.take_back();
        let kept_for = self.give_free(now);
        self.hand_over(kept_for.as_ref(), now);
        self.make_room();
        self.load = self.accounts.values().map(Account::load).fold(Load::default(), Add::add);
        if !self.is_short() {
            // No debt outlives the shortage.
            self.accounts.values_mut().for_each(|account| account.credit = 0);
        }
        for ((stream, account), before) in self.accounts.iter().zip(before) {
            if account.allowed != before {
                self.changed.insert(stream.clone());
            }
        }
    }

    fn count_credit(&mut self, now: Timestamp) {
        // Nobody gathers credit for the time an operator was not there.
        let elapsed = now.duration_since(self.settled_at).as_millis().clamp(0, 60_000) as i64;
        self.settled_at = now;
        // Against what is given out in all: units that no trainer can use are owed to nobody.
        let shares: u64 = self.accounts.values().map(|account| account.share).sum();
        let granted = 1000 * self.granted_units();
        for account in self.accounts.values_mut() {
            let most = account.most_credit();
            let due = (u128::from(account.share) * u128::from(granted)).div_ceil(u128::from(shares.max(1)));
            let lacking = due as i64 - account.units(account.granted) as i64 * 1000;
            account.credit = (account.credit + lacking * elapsed).clamp(-most, most);
        }
    }

    fn set_shares(&mut self, now: Timestamp) {
        let limit = self.limit;
        let demand = |account: &Account| {
            let units = account.units(account.claim.wanted);
            let is_possible = u64::from(account.claim.cost) <= limit;
            Demand { weight: account.claim.weight.into(), units: if is_possible { units } else { 0 } }
        };
        let demands: Vec<_> = self.accounts.values().map(demand).collect();
        for ((account, demand), share) in self.accounts.values_mut().zip(&demands).zip(fair_shares(limit, &demands)) {
            // Among thousands a share may come out as nothing, and who is owed nothing would wait for ever.
            account.share = share.max(u64::from(demand.units > 0));
            account.below_since = account.is_below().then(|| account.below_since.unwrap_or(now));
        }
    }

    /// What is not wanted any more, and what exceeds a limit that was lowered.
    fn take_back(&mut self) {
        let limit = self.limit;
        for account in self.accounts.values_mut() {
            let is_possible = u64::from(account.claim.cost) <= limit;
            account.granted = if is_possible { account.granted.min(account.claim.wanted) } else { 0 };
        }
        while self.granted_units() > limit {
            let surplus = |account: &Account| account.units(account.granted) as i64 * 1000 - account.share as i64;
            let holders = self.accounts.values_mut().filter(|account| account.granted > 0);
            let Some(most) = holders.max_by_key(|account| (surplus(account), -account.credit)) else { return };
            most.granted -= 1;
        }
    }

    /// Whom what is left is kept for, though others would fit.
    fn give_free(&mut self, now: Timestamp) -> Option<StreamName> {
        let mut free = self.limit.saturating_sub(self.granted_units());
        for stream in self.waiting() {
            let Some(account) = self.accounts.get_mut(&stream) else { continue };
            let (is_first_in_right, cost) = (account.is_below() || account.has_waited_a_turn(), account.cost());
            while account.is_short() && cost <= free {
                account.grant_one(now);
                free -= cost;
                if !account.is_below() {
                    break;
                }
            }
            if account.is_short() && is_first_in_right && cost > free {
                return Some(stream);
            }
        }
        None
    }

    /// Ends turns: who waits by right gets from who has more than its share, a few at a time.
    fn hand_over(&mut self, kept_for: Option<&StreamName>, now: Timestamp) {
        let leaving = |account: &Account| account.units(account.claim.held.saturating_sub(account.granted));
        let mut moving: u64 = self.accounts.values().map(leaving).sum();
        for stream in self.waiting().into_iter().take(MOST_LOOKED_AT) {
            if moving >= (self.limit / 8).max(1) {
                return;
            }
            let is_kept = kept_for.is_some_and(|other| *other != stream);
            let free = if is_kept { 0 } else { self.limit.saturating_sub(self.granted_units()) };
            let waiting = self.accounts[&stream];
            let Some(victims) = self.victims(&stream, waiting, free, now) else { continue };
            for victim in victims {
                let Some(account) = self.accounts.get_mut(&victim) else { continue };
                account.granted -= 1;
                moving += account.cost();
            }
            if let Some(account) = self.accounts.get_mut(&stream) {
                account.grant_one(now);
            }
        }
    }

    /// What is granted is allowed once nobody else holds it any more.
    fn make_room(&mut self) {
        for account in self.accounts.values_mut() {
            account.allowed = account.allowed.max(account.claim.held).min(account.granted);
        }
        let in_use = |account: &Account| account.units(account.allowed.max(account.claim.held));
        let mut free = self.limit.saturating_sub(self.accounts.values().map(in_use).sum());
        for account in self.accounts.values_mut() {
            while account.allowed < account.granted && account.cost() <= free {
                account.allowed += 1;
                free -= account.cost();
            }
        }
    }

    /// Who gives up trainers, once for each, so that `waiting` has room for one.
    fn victims(&self, stream: &StreamName, waiting: Account, free: u64, now: Timestamp) -> Option<Vec<StreamName>> {
        let holders = || self.accounts.iter().filter(|(name, account)| *name != stream && account.granted > 0);
        let surplus = |account: &Account| account.units(account.granted.saturating_sub(account.whole_share()));
        let in_surplus: u64 = holders().map(|(_, account)| surplus(account)).sum();
        // A trainer that takes many units may need what others have for good; then they take turns in that too, until
        // it has its share.
        let from_all = free + in_surplus < waiting.cost();
        if from_all && waiting.has_its_share() {
            return None;
        }
        let patience = timing::FAIR_PATIENCE;
        let is_patient = waiting.below_since.is_none_or(|since| now.duration_since(since) < patience);
        let due = match waiting.is_below() && !from_all {
            true if is_patient => return None,
            true => 0,
            false => THOUSANDTHS_MS_PER_UNIT_TURN * i64::from(waiting.claim.cost),
        };
        // Who cannot gather more credit is not kept waiting by one who never spends any.
        let is_overdue = waiting.credit >= waiting.most_credit();
        let has_had_its_turn = |account: &Account| now.duration_since(account.granted_at) >= timing::TURN;
        let is_ready =
            |account: &Account| waiting.credit - account.credit >= due || is_overdue && has_had_its_turn(account);
        let mut ready: Vec<_> = holders().filter(|(_, account)| is_ready(account)).collect();
        ready.sort_by_key(|(_, account)| account.credit);
        let (mut freed, mut victims) = (free, Vec::new());
        for (name, account) in ready {
            let kept = if from_all { 0 } else { account.whole_share() };
            for _ in kept..account.granted {
                if freed >= waiting.cost() {
                    break;
                }
                freed += account.cost();
                victims.push(name.clone());
            }
        }
        (freed >= waiting.cost()).then_some(victims)
    }

    /// Who gets the next trainer: first who has less than the whole part of its share, by how little; then by credit, and
    /// among those who have as much as anybody can have, who got nothing for longest.
    fn waiting(&self) -> Vec<StreamName> {
        let mut waiting: Vec<_> = self.accounts.iter().filter(|(_, account)| account.is_short()).collect();
        waiting.retain(|(_, account)| account.cost() <= self.limit);
        waiting.sort_by_cached_key(|(_, account)| {
            let after = account.units(account.granted + 1) * 1_000_000 / u64::from(account.claim.weight.max(1));
            let by_share = if account.is_below() { after } else { 0 };
            (!account.is_below(), by_share, Reverse(account.credit), account.granted_at, after)
        });
        waiting.into_iter().map(|(stream, _)| stream.clone()).collect()
    }

    fn granted_units(&self) -> u64 {
        self.accounts.values().map(|account| account.units(account.granted)).sum()
    }
}

impl Account {
    fn cost(&self) -> u64 {
        self.claim.cost.max(1).into()
    }

    fn units(&self, trainers: u32) -> u64 {
        u64::from(trainers) * self.cost()
    }

    fn load(&self) -> Load {
        Load {
            units: self.units(self.claim.wanted.max(self.claim.held)),
            lacking: usize::from(self.allowed != self.claim.wanted),
        }
    }

    fn grant_one(&mut self, now: Timestamp) {
        self.granted += 1;
        self.granted_at = now;
    }

    fn grant_all(&mut self) {
        let wanted = self.claim.wanted;
        (self.granted, self.allowed, self.share) = (wanted, wanted, 1000 * self.units(wanted));
    }

    /// Trainers it has a right to all the time.
    fn whole_share(&self) -> u32 {
        u32::try_from(self.share / 1000 / self.cost()).unwrap_or(u32::MAX)
    }

    fn most_credit(&self) -> i64 {
        MOST_TURNS * THOUSANDTHS_MS_PER_UNIT_TURN * i64::from(self.claim.cost)
    }

    fn is_short(&self) -> bool {
        self.granted < self.claim.wanted
    }

    fn is_below(&self) -> bool {
        self.is_short() && self.granted < self.whole_share()
    }

    fn has_its_share(&self) -> bool {
        1000 * self.units(self.granted) >= self.share
    }

    fn has_waited_a_turn(&self) -> bool {
        self.credit >= THOUSANDTHS_MS_PER_UNIT_TURN * i64::from(self.claim.cost)
    }
}
