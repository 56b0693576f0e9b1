/* The domain of the core's errors, which plugin, tool and modules share.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define DEFCN_ERROR (defcn_error_quark ())
GQuark defcn_error_quark (void);

typedef enum
{
  DEFCN_ERROR_BACKEND, /* the device or its library refused */
  DEFCN_ERROR_FORMAT,  /* a damaged file, or not of the kind it should be */
  DEFCN_ERROR_MODEL,   /* a good file for some other net */
  DEFCN_ERROR_VALUE,   /* a setting or an input out of range */
} DefcnError;

G_END_DECLS
