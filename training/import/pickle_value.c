/* Access to the values of a pickle. */
#include "pickle_value.h"

#include <string.h>

gboolean
defcn_pickle_value_is (const DefcnPickleValue *value, const char *text)
{
  return value && value->type == DEFCN_PICKLE_STRING
      && value->len == strlen (text)
      && memcmp (value->str, text, value->len) == 0;
}

gboolean
defcn_pickle_value_is_call (const DefcnPickleValue *value, const char *global)
{
  return value && value->type == DEFCN_PICKLE_OBJECT
      && g_str_equal (value->callable->str, global);
}

static gboolean
is_dict (const DefcnPickleValue *value)
{
  return value
      && (value->type == DEFCN_PICKLE_DICT
          || value->type == DEFCN_PICKLE_OBJECT);
}

guint
defcn_pickle_value_count (const DefcnPickleValue *value)
{
  if (!value || !value->items)
    return 0;
  return is_dict (value) ? value->items->len / 2 : value->items->len;
}

const DefcnPickleValue *
defcn_pickle_value_at (const DefcnPickleValue *value, guint i)
{
  return !is_dict (value) && i < defcn_pickle_value_count (value)
      ? value->items->pdata[i]
      : NULL;
}

gboolean
defcn_pickle_value_entry (const DefcnPickleValue *value, guint i,
    const DefcnPickleValue **key, const DefcnPickleValue **entry)
{
  if (!is_dict (value) || i >= defcn_pickle_value_count (value))
    return FALSE;
  *key = value->items->pdata[2 * i];
  *entry = value->items->pdata[2 * i + 1];
  return TRUE;
}

const DefcnPickleValue *
defcn_pickle_value_get (const DefcnPickleValue *value, const char *key)
{
  const DefcnPickleValue *k, *entry;

  for (guint i = 0; defcn_pickle_value_entry (value, i, &k, &entry); i++)
    if (defcn_pickle_value_is (k, key))
      return entry;
  return NULL;
}

gboolean
defcn_pickle_value_int (gint64 *number, const DefcnPickleValue *value)
{
  if (!value || value->type != DEFCN_PICKLE_INT)
    return FALSE;
  *number = value->number;
  return TRUE;
}

gboolean
defcn_pickle_value_ints (gint64 *numbers, int *n, int max,
    const DefcnPickleValue *value)
{
  /* torch.Size ((2, 3)) is a call around the tuple. */
  if (defcn_pickle_value_is_call (value, "torch Size"))
    value = defcn_pickle_value_at (value->args, 0);
  if (!value || value->type != DEFCN_PICKLE_TUPLE
      || defcn_pickle_value_count (value) > (guint) max)
    return FALSE;
  *n = defcn_pickle_value_count (value);
  for (int i = 0; i < *n; i++)
    if (!defcn_pickle_value_int (&numbers[i], defcn_pickle_value_at (value, i)))
      return FALSE;
  return TRUE;
}
