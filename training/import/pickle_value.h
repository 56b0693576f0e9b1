/* What a pickle holds, and how to find one's way in it.
 *
 * All values belong to their DefcnPickle (pickle.h) and are only read.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  DEFCN_PICKLE_NONE,
  DEFCN_PICKLE_BOOL,
  DEFCN_PICKLE_INT,
  DEFCN_PICKLE_FLOAT,
  DEFCN_PICKLE_STRING, /* text or bytes: Python 2 has one for both */
  DEFCN_PICKLE_TUPLE,
  DEFCN_PICKLE_LIST,
  DEFCN_PICKLE_DICT,
  DEFCN_PICKLE_GLOBAL,     /* "module name" */
  DEFCN_PICKLE_OBJECT,     /* the result of a call */
  DEFCN_PICKLE_PERSISTENT, /* what the file keeps elsewhere, told by @args */
} DefcnPickleType;

typedef struct _DefcnPickleValue DefcnPickleValue;
struct _DefcnPickleValue
{
  DefcnPickleType type;
  gint64 number;   /* BOOL, INT */
  double real;     /* FLOAT */
  const char *str; /* STRING, GLOBAL: @len bytes, no NUL behind them */
  gsize len;
  /* TUPLE, LIST: values.  DICT, and an OBJECT that was filled like one: key,
   * value, key, value ..  NULL if there are none. */
  GPtrArray *items;
  const DefcnPickleValue *callable; /* OBJECT: a GLOBAL */
  const DefcnPickleValue *args;     /* OBJECT: a TUPLE; PERSISTENT: any */
  const DefcnPickleValue *state; /* OBJECT: what it was built from, or NULL */
};

/* All of them accept NULL, which nothing matches. */

/* Is it the string @text? */
gboolean defcn_pickle_value_is (const DefcnPickleValue *value,
    const char *text);
/* Is it the result of calling @global, "module name"? */
gboolean defcn_pickle_value_is_call (const DefcnPickleValue *value,
    const char *global);
/* Entries of a tuple, list or dict (or an object filled like one: OrderedDict);
 * 0 for others. */
guint defcn_pickle_value_count (const DefcnPickleValue *value);
/* Entry @i of a tuple or list; NULL beyond the end or for others. */
const DefcnPickleValue *defcn_pickle_value_at (const DefcnPickleValue *value,
    guint i);
/* Entry @i of a dict or an object filled like one; FALSE beyond the end. */
gboolean defcn_pickle_value_entry (const DefcnPickleValue *value, guint i,
    const DefcnPickleValue **key, const DefcnPickleValue **entry);
/* The value under the string @key of a dict or an object filled like one, NULL
 * if there is none. */
const DefcnPickleValue *defcn_pickle_value_get (const DefcnPickleValue *value,
    const char *key);
/* FALSE unless it is a whole number, or for dims that are not: a tuple of up
 * to @max_dims whole numbers. */
gboolean defcn_pickle_value_int (gint64 *number, const DefcnPickleValue *value);
gboolean defcn_pickle_value_ints (gint64 *numbers, int *n, int max,
    const DefcnPickleValue *value);

G_END_DECLS
