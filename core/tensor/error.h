#pragma once

#include <stdexcept>
#include <string>

namespace headroom {

/// A failure that a person can read: one sentence saying what is wrong, where, and what would be right.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Two shapes disagree, or a view is too small for the shape that it claims.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// The work was told to stop. Never shown to a person: a newer request took its place.
class Cancelled : public Error {
 public:
  Cancelled() : Error("cancelled") {}
};

}  // namespace headroom
