/* Within the pickle interpreter: its memory, shared by pickle.c (containers,
 * calls, memo) and pickle_atoms.c (numbers, strings, names).
 *
 * Thread rule: one thread at a time per machine.
 */
#pragma once

#include "pickle_value.h"

G_BEGIN_DECLS

typedef struct
{
  const guint8 *data;
  gsize size, pos;
  GPtrArray *values;     /* every DefcnPickleValue, owned */
  GPtrArray *texts;      /* strings that had to be decoded, owned */
  GPtrArray *persistent; /* of DefcnPickleValue, borrowed as below */
  GPtrArray *stack;
  GArray *marks;   /* of guint, heights of the stack */
  GPtrArray *memo; /* with NULL for gaps */
  const char *where;
  GError **error;
} DefcnPickleMachine;

/* Sets the error, if there is none yet, with file and position; is FALSE. */
gboolean defcn_pickle_machine_fail (DefcnPickleMachine *m, const char *format,
    ...) G_GNUC_PRINTF (2, 3);
/* A new value, not on the stack. */
DefcnPickleValue *defcn_pickle_machine_value (DefcnPickleMachine *m,
    DefcnPickleType type);
/* Returns: TRUE. */
gboolean defcn_pickle_machine_push (DefcnPickleMachine *m, DefcnPickleValue *v);
/* Height of the stack below which the open mark lets nothing be taken. */
guint defcn_pickle_machine_floor (const DefcnPickleMachine *m);
/* The topmost value, taken or left; NULL with the error set. */
DefcnPickleValue *defcn_pickle_machine_pop (DefcnPickleMachine *m);
DefcnPickleValue *defcn_pickle_machine_top (DefcnPickleMachine *m);
/* @n bytes of the file, or NULL with the error set. */
const guint8 *defcn_pickle_machine_take (DefcnPickleMachine *m, guint64 n);
/* A little-endian unsigned number of @n bytes, at most 8. */
gboolean defcn_pickle_machine_take_uint (DefcnPickleMachine *m, guint64 *number,
    int n);
/* Text up to the end of the line. */
gboolean defcn_pickle_machine_take_line (DefcnPickleMachine *m,
    const char **line, gsize *len);

G_END_DECLS
