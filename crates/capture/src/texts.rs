//! The texts of an episode, named once: what redaction and stripping go through. A new field is
//! added here and nowhere else.

use memrl_types::Episode;

/// Every free text of an episode.
pub(crate) fn each_text(e: &mut Episode, visit: &mut dyn FnMut(&mut String)) {
    each_said(e, visit);
    visit(&mut e.project);
    e.diff.iter_mut().for_each(&mut *visit);
    if let Some(session) = &mut e.session {
        session
            .pending
            .iter_mut()
            .for_each(|p| visit(&mut p.subject));
        session
            .reading
            .open
            .iter_mut()
            .for_each(|o| visit(&mut o.said));
        visit(&mut session.reading.answer);
        session
            .reading
            .turn
            .iter_mut()
            .for_each(|t| visit(&mut t.text));
    }
}

/// Every text in which somebody says something about the task.
pub(crate) fn each_said(e: &mut Episode, visit: &mut dyn FnMut(&mut String)) {
    visit(&mut e.intent.raw_prompt);
    visit(&mut e.intent.extracted_intent);
    e.intent.domain.iter_mut().for_each(&mut *visit);
    e.intent.corrections.iter_mut().for_each(&mut *visit);
    e.intent.later.iter_mut().for_each(&mut *visit);
    visit(&mut e.solution);
    e.context.files_read.iter_mut().for_each(&mut *visit);
    e.context.files_modified.iter_mut().for_each(&mut *visit);
    e.context.tools_invoked.iter_mut().for_each(&mut *visit);
    for t in &mut e.context.errors_encountered {
        visit(&mut t.error_type);
        visit(&mut t.message);
        t.resolution.iter_mut().for_each(&mut *visit);
    }
    e.learnings.iter_mut().for_each(&mut *visit);
}
