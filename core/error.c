/* The domain of the core's errors. */
#include "error.h"

GQuark
defcn_error_quark (void)
{
  return g_quark_from_static_string ("defcn-error-quark");
}
