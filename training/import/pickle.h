/* Python pickles, read and never carried out.
 *
 * The opcodes of protocols 0 to 5 build a tree of values.  A call that the
 * pickle asks for is kept as an object: what would be called, with what, and
 * the state it would get.  Nothing is called, imported or looked up, so any
 * name will do: what it is matters to whoever wants to make a tensor of the
 * object.  A value may hold itself, so readers note where they have been.
 *
 * Thread rule: re-entrant; a parsed pickle may be read by several threads.
 */
#pragma once

#include "pickle_value.h"

G_BEGIN_DECLS

typedef struct _DefcnPickle DefcnPickle;

/* Parses the pickle at the start of @data and says in *@used (may be NULL) how
 * long it is.  @data outlives the result.  NULL with @error that names @where
 * and the position: no pickle, cut off, an opcode or a number that is not read,
 * more than 4 million opcodes. */
DefcnPickle *defcn_pickle_parse (const guint8 *data, gsize size, gsize *used,
    const char *where, GError **error);
void defcn_pickle_free (DefcnPickle *pickle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnPickle, defcn_pickle_free)

/* The value it holds, borrowed as all values below. */
const DefcnPickleValue *defcn_pickle_root (const DefcnPickle *pickle);

/* The persistent value @i in the order of the file, NULL beyond the last. */
const DefcnPickleValue *defcn_pickle_persistent (const DefcnPickle *pickle,
    guint i);

G_END_DECLS
