// The selective scan cut into chunks of Q positions. Halves of a scan are independent: a chunk's effect on a state is h ↦ exp(A Σ Δ) ∘ h + S, and such
// maps compose, so every chunk finds S by itself, one short pass composes them, and every chunk then runs again from the state it finds.

/// Marks a position that does not count, in place of Δ.
const NOTHING = -3.0e38;

/// h ← exp(Δ a) h + b, without losing a decay close to 1.
fn advance(h: f32, delta: f32, a: f32, b: f32) -> f32 {
  return h + expm1_(delta * a) * h + b;
}
