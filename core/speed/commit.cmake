# Writes OUT, a source file that names the commit of the checkout at SOURCE. Left untouched where nothing changed, so that nothing is rebuilt.
set(commit "unknown")
find_program(git git)
if(git)
  # A source tree without a repository of its own must not name the commit of a repository around it.
  execute_process(COMMAND ${git} rev-parse --show-prefix WORKING_DIRECTORY ${SOURCE}
                  OUTPUT_VARIABLE prefix RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT failed AND prefix STREQUAL "")
    execute_process(COMMAND ${git} rev-parse --short=8 HEAD WORKING_DIRECTORY ${SOURCE}
                    OUTPUT_VARIABLE hash RESULT_VARIABLE failed ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    # Without optional locks: a build must not be in the way of a commit.
    execute_process(COMMAND ${CMAKE_COMMAND} -E env GIT_OPTIONAL_LOCKS=0 ${git} status --porcelain --untracked-files=no
                    WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE changes ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT failed)
      set(commit "${hash}")
      if(NOT changes STREQUAL "")
        string(APPEND commit "+")
      endif()
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT [[
#include "core/speed/commit.h"

namespace headroom {

const char* source_commit() { return "@commit@"; }

}  // namespace headroom
]])
