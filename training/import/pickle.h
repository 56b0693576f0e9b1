/* Python pickles, read and never carried out.
 *
 * The opcodes of protocols 0 to 4 build a tree of values.  A call that the
 * pickle asks for is kept as an object: what would be called, with what, and
 * the state it would get.  What may be called at all is a list of names in
 * pickle.c, those that files of weights need; any other is an error that names
 * it.  A value may hold itself, so readers follow paths of a known length.
 *
 * Thread rule: re-entrant; a parsed pickle may be read by several threads.
 */
#pragma once

#include "pickle_value.h"

G_BEGIN_DECLS

typedef struct _DefcnPickle DefcnPickle;

/* Parses the pickle at the start of @data and says in *@used (may be NULL) how
 * long it is.  @data outlives the result.  NULL with @error that names @where
 * and the position: no pickle, cut off, an opcode, a number or a global that is
 * not read, more than 4 million opcodes. */
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
