/* Arrays of numpy: .npy files, and pickled dicts of arrays.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "foreign.h"
#include "pickle.h"

G_BEGIN_DECLS

/* Does @data start like a pickle? */
gboolean defcn_numpy_is_pickle (const guint8 *data, gsize size);
/* A pickled dict of arrays, bare or under "model" or "blobs". */
DefcnForeign *defcn_numpy_open_pickle (const guint8 *data, gsize size,
    gboolean ema, const char *name, GError **error);
/* Every NAME.npy of the folder @path as the tensor NAME. */
DefcnForeign *defcn_numpy_open_folder (const char *path, GError **error);
/* Reads the header of the .npy file @data: @array becomes a view of its
 * numbers.  FALSE with @error that names @where. */
gboolean defcn_numpy_parse (DefcnForeignArray *array, const guint8 *data,
    gsize size, const char *where, GError **error);

G_END_DECLS
