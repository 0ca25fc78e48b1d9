#pragma once

namespace headroom {

/// Short hash of the sources that this program was built from, with "+" where files were changed since; "unknown" outside a checkout.
/// In a library of its own (headroom_commit), so that a commit links only the programs that say it anew.
const char* source_commit();

}  // namespace headroom
