/* PyTorch's checkpoints: the zip archive of torch.save() since 1.6 and the
 * stream before it.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "foreign.h"

G_BEGIN_DECLS

/* Does @data start like either format? */
gboolean defcn_torch_is (const guint8 *data, gsize size);
/* The tensors of the dict, bare or under "model" or "state_dict", without the
 * prefix "module." where all names have it; with the momentum and the iteration
 * of a training checkpoint. */
DefcnForeign *defcn_torch_open (const guint8 *data, gsize size, gboolean ema,
    const char *name, GError **error);

G_END_DECLS
