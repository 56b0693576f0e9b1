/* The door of files of weights: which reader opens which.
 *
 * Read are
 *   - PyTorch checkpoints (torch.save: zip archive, or the stream of versions
 *     before 1.6): a dict of tensors, bare or under "model", "state_dict";
 *   - pickled dicts of numpy arrays (Caffe2, detectron2), bare or under
 *     "model", "blobs";
 *   - a folder of .npy files, one per tensor, named after it;
 *   - safetensors.
 * Nothing in a file is carried out (see pickle.h).  Errors are
 * DEFCN_ERROR_FORMAT and name the file and the tensor.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "foreign.h"

G_BEGIN_DECLS

/* Reads @path, a file or a folder.  NULL with @error set. */
DefcnForeign *defcn_formats_open (const char *path, gboolean ema,
    GError **error);
/* The same for a file's @bytes; @name stands for the path in messages. */
DefcnForeign *defcn_formats_open_bytes (GBytes *bytes, gboolean ema,
    const char *name, GError **error);

G_END_DECLS
