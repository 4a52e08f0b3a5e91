//! Optional: a language model reads an episode and says what it was about. Off unless asked for.
