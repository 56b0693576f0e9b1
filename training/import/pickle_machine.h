/* Within the pickle interpreter: its memory, shared by pickle.c (containers,
 * calls, memo) and pickle_atoms.c (numbers, strings, names).
 *
 * Thread rule: one thread at a time per machine.
 */
#pragma once

#include <string.h>

#include "pickle.h"

G_BEGIN_DECLS

struct _DefcnPickle
{
  GPtrArray *values; /* every value, owned */
  GPtrArray *texts;  /* strings that had to be decoded, owned */
  GPtrArray *persistent;
  const DefcnPickleValue *root;
};

typedef struct
{
  DefcnPickle *pickle;
  const guint8 *data;
  gsize size, pos;
  GPtrArray *stack; /* of DefcnPickleValue, borrowed */
  GArray *marks;    /* of guint, heights of the stack */
  GPtrArray *memo;  /* of DefcnPickleValue or NULL */
  const char *where;
  GError **error;
} DefcnPickleMachine;

/* Sets the error, if there is none yet, with file and position. */
void defcn_pickle_fail (DefcnPickleMachine *m, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
/* The same as an expression that is FALSE. */
#define FAIL(m, ...) (defcn_pickle_fail (m, __VA_ARGS__), FALSE)

static inline DefcnPickleValue *
value_new (DefcnPickleMachine *m, DefcnPickleType type)
{
  DefcnPickleValue *v = g_new0 (DefcnPickleValue, 1);

  v->type = type;
  g_ptr_array_add (m->pickle->values, v);
  return v;
}

static inline gboolean
push (DefcnPickleMachine *m, DefcnPickleValue *v)
{
  g_ptr_array_add (m->stack, v);
  return TRUE;
}

/* Height of the stack below which the open mark lets nothing be taken. */
static inline guint
floor_height (const DefcnPickleMachine *m)
{
  return m->marks->len ? g_array_index (m->marks, guint, m->marks->len - 1) : 0;
}

static inline DefcnPickleValue *
pop (DefcnPickleMachine *m)
{
  if (m->stack->len <= floor_height (m)) {
    defcn_pickle_fail (m, "its stack is empty");
    return NULL;
  }
  return g_ptr_array_steal_index (m->stack, m->stack->len - 1);
}

static inline DefcnPickleValue *
top (DefcnPickleMachine *m)
{
  if (m->stack->len <= floor_height (m)) {
    defcn_pickle_fail (m, "its stack is empty");
    return NULL;
  }
  return m->stack->pdata[m->stack->len - 1];
}

/* @n bytes of the file, or NULL. */
static inline const guint8 *
take (DefcnPickleMachine *m, guint64 n)
{
  const guint8 *bytes = m->data + m->pos;

  if (n > m->size - m->pos) {
    defcn_pickle_fail (m, "cut off");
    return NULL;
  }
  m->pos += n;
  return bytes;
}

/* A little-endian unsigned number of @n bytes, at most 8. */
static inline gboolean
take_uint (DefcnPickleMachine *m, guint64 *number, int n)
{
  const guint8 *bytes = take (m, n);

  *number = 0;
  for (int i = 0; bytes && i < n; i++)
    *number |= (guint64) bytes[i] << (8 * i);
  return bytes != NULL;
}

/* Text up to the end of the line. */
static inline gboolean
take_line (DefcnPickleMachine *m, const char **line, gsize *len)
{
  const guint8 *start = m->data + m->pos;
  const guint8 *end = memchr (start, '\n', m->size - m->pos);

  if (!end) {
    defcn_pickle_fail (m, "cut off");
    return FALSE;
  }
  *line = (const char *) start;
  *len = end - start;
  m->pos += *len + 1;
  return TRUE;
}

/* Opcodes that push one value, read from the file; FALSE with the error set. */
gboolean defcn_pickle_push_bool (DefcnPickleMachine *m, int flag);
/* I and L of protocol 0. */
gboolean defcn_pickle_push_decimal (DefcnPickleMachine *m, int is_long);
gboolean defcn_pickle_push_int (DefcnPickleMachine *m, int bytes);
/* @bytes: of the length in front of it. */
gboolean defcn_pickle_push_long (DefcnPickleMachine *m, int bytes);
gboolean defcn_pickle_push_decimal_float (DefcnPickleMachine *m, int unused);
gboolean defcn_pickle_push_float (DefcnPickleMachine *m, int unused);
gboolean defcn_pickle_push_quoted (DefcnPickleMachine *m, int unused);
gboolean defcn_pickle_push_line (DefcnPickleMachine *m, int unused);
/* @bytes: of the length in front of it. */
gboolean defcn_pickle_push_bytes (DefcnPickleMachine *m, int bytes);
gboolean defcn_pickle_push_global_lines (DefcnPickleMachine *m, int unused);
gboolean defcn_pickle_push_global (DefcnPickleMachine *m, int unused);
/* The bytes that text of code points below 256 stands for. */
gboolean defcn_pickle_push_latin1 (DefcnPickleMachine *m,
    const DefcnPickleValue *text);

G_END_DECLS
