/* The entries of a zip archive in memory, as torch.save() writes them, read by
 * libzip: stored or compressed, of any size.
 *
 * Thread rule: one thread at a time per archive.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* All that is read of an archive together, over its own size: weights hardly
 * shrink, so that more is no file of weights but a bomb. */
#define DEFCN_ZIP_MAX_RATIO 16

typedef struct _DefcnZip DefcnZip;

/* Is @data the start of a zip archive? */
gboolean defcn_zip_is (const guint8 *data, gsize size);
/* Reads the directory: names are there once, the sizes they claim add up to no
 * more than DEFCN_ZIP_MAX_RATIO allows.  @data outlives the result.  NULL with
 * @error that names @where and, where it is of one, the entry. */
DefcnZip *defcn_zip_open (const guint8 *data, gsize size, const char *where,
    GError **error);
void defcn_zip_free (DefcnZip *zip);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnZip, defcn_zip_free)

/* Bytes of all entries together. */
gsize defcn_zip_size (const DefcnZip *zip);
gboolean defcn_zip_has (const DefcnZip *zip, const char *name);
/* Returns: (nullable): the name of the first entry that ends in @suffix. */
const char *defcn_zip_find (const DefcnZip *zip, const char *suffix);
/* The bytes of entry @name, whose checksum is right; (transfer full).  NULL
 * with @error: not there, damaged, cut off, encrypted, read too often. */
GBytes *defcn_zip_read (DefcnZip *zip, const char *name, GError **error);

G_END_DECLS
