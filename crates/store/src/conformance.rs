//! What every implementation of the traits must do.
