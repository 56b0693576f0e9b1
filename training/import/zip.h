/* The entries of a zip archive in memory, as torch.save() writes them: stored,
 * not compressed, below 4 GiB.
 *
 * Thread rule: re-entrant; an opened archive may be read by several threads.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _DefcnZip DefcnZip;

/* Is @data the start of a zip archive? */
gboolean defcn_zip_is (const guint8 *data, gsize size);
/* Reads the directory and checks that every entry lies within the file.
 * @data outlives the result.  NULL with @error that names @where and the
 * entry. */
DefcnZip *defcn_zip_open (const guint8 *data, gsize size, const char *where,
    GError **error);
void defcn_zip_free (DefcnZip *zip);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnZip, defcn_zip_free)

/* Returns: (nullable): the name of the first entry that ends in @suffix. */
const char *defcn_zip_find (const DefcnZip *zip, const char *suffix);
/* The bytes of entry @name, borrowed from the archive; NULL without it. */
const guint8 *defcn_zip_get (const DefcnZip *zip, const char *name,
    gsize *size);

G_END_DECLS
