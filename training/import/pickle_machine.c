/* The memory of the pickle interpreter: its values, its stack, its place in the
 * file. */
#include "pickle_machine.h"

#include "error.h"

#include <string.h>

gboolean
defcn_pickle_machine_fail (DefcnPickleMachine *m, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  if (*m->error == NULL)
    g_set_error (m->error, DEFCN_ERROR, DEFCN_ERROR_FORMAT,
        "%s: pickle, byte %" G_GSIZE_FORMAT ": %s", m->where, m->pos, text);
  return FALSE;
}

DefcnPickleValue *
defcn_pickle_machine_value (DefcnPickleMachine *m, DefcnPickleType type)
{
  DefcnPickleValue *v = g_new0 (DefcnPickleValue, 1);

  v->type = type;
  g_ptr_array_add (m->values, v);
  return v;
}

gboolean
defcn_pickle_machine_push (DefcnPickleMachine *m, DefcnPickleValue *v)
{
  g_ptr_array_add (m->stack, v);
  return TRUE;
}

guint
defcn_pickle_machine_floor (const DefcnPickleMachine *m)
{
  return m->marks->len ? g_array_index (m->marks, guint, m->marks->len - 1) : 0;
}

DefcnPickleValue *
defcn_pickle_machine_pop (DefcnPickleMachine *m)
{
  if (m->stack->len <= defcn_pickle_machine_floor (m)) {
    defcn_pickle_machine_fail (m, "its stack is empty");
    return NULL;
  }
  return g_ptr_array_steal_index (m->stack, m->stack->len - 1);
}

DefcnPickleValue *
defcn_pickle_machine_top (DefcnPickleMachine *m)
{
  if (m->stack->len <= defcn_pickle_machine_floor (m)) {
    defcn_pickle_machine_fail (m, "its stack is empty");
    return NULL;
  }
  return m->stack->pdata[m->stack->len - 1];
}

const guint8 *
defcn_pickle_machine_take (DefcnPickleMachine *m, guint64 n)
{
  const guint8 *bytes = m->data + m->pos;

  if (n > m->size - m->pos) {
    defcn_pickle_machine_fail (m, "cut off");
    return NULL;
  }
  m->pos += n;
  return bytes;
}

gboolean
defcn_pickle_machine_take_uint (DefcnPickleMachine *m, guint64 *number, int n)
{
  const guint8 *bytes = defcn_pickle_machine_take (m, n);

  *number = 0;
  for (int i = 0; bytes && i < n; i++)
    *number |= (guint64) bytes[i] << (8 * i);
  return bytes != NULL;
}

gboolean
defcn_pickle_machine_take_line (DefcnPickleMachine *m, const char **line,
    gsize *len)
{
  const guint8 *start = m->data + m->pos;
  const guint8 *end = memchr (start, '\n', m->size - m->pos);

  if (!end) {
    defcn_pickle_machine_fail (m, "cut off");
    return FALSE;
  }
  *line = (const char *) start;
  *len = end - start;
  m->pos += *len + 1;
  return TRUE;
}
