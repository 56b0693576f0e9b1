/* What a pickle spells out: numbers, strings, names. */
#include "pickle_atoms.h"

#include <string.h>

static gboolean
push_whole (DefcnPickleMachine *m, gint64 number)
{
  DefcnPickleValue *v = defcn_pickle_machine_value (m, DEFCN_PICKLE_INT);

  v->number = number;
  return defcn_pickle_machine_push (m, v);
}

gboolean
defcn_pickle_atoms_bool (DefcnPickleMachine *m, int flag)
{
  DefcnPickleValue *v = defcn_pickle_machine_value (m, DEFCN_PICKLE_BOOL);

  v->number = flag;
  return defcn_pickle_machine_push (m, v);
}

static gboolean
push_real (DefcnPickleMachine *m, double real)
{
  DefcnPickleValue *v = defcn_pickle_machine_value (m, DEFCN_PICKLE_FLOAT);

  v->real = real;
  return defcn_pickle_machine_push (m, v);
}

static gboolean
push_string (DefcnPickleMachine *m, const char *str, gsize len)
{
  DefcnPickleValue *v = defcn_pickle_machine_value (m, DEFCN_PICKLE_STRING);

  v->str = str;
  v->len = len;
  return defcn_pickle_machine_push (m, v);
}

/* Takes @text. */
static gboolean
push_text (DefcnPickleMachine *m, GString *text)
{
  const gsize len = text->len;
  char *str = g_string_free (text, FALSE);

  g_ptr_array_add (m->texts, str);
  return push_string (m, str, len);
}

/* Two's complement of @n bytes; what does not fit 64 bits is of no use to a
 * file of weights and becomes the largest number. */
static gboolean
push_twos (DefcnPickleMachine *m, guint64 n)
{
  const guint8 *bytes = defcn_pickle_machine_take (m, n);
  guint64 number = 0;

  if (!bytes)
    return FALSE;
  if (n > 8)
    return push_whole (m, G_MAXINT64);
  for (guint64 i = 0; i < n; i++)
    number |= (guint64) bytes[i] << (8 * i);
  if (n > 0 && n < 8 && bytes[n - 1] & 0x80)
    number |= G_MAXUINT64 << (8 * n);
  return push_whole (m, (gint64) number);
}

/* I and L: decimal text, 00 and 01 for booleans, L behind a long. */
gboolean
defcn_pickle_atoms_decimal (DefcnPickleMachine *m, int is_long)
{
  const char *line;
  gsize len;
  char *end;

  if (!defcn_pickle_machine_take_line (m, &line, &len))
    return FALSE;
  g_autofree char *text = g_strndup (line, len);
  if (!is_long && (g_str_equal (text, "00") || g_str_equal (text, "01")))
    return defcn_pickle_atoms_bool (m, text[1] == '1');
  const gint64 number = g_ascii_strtoll (text, &end, 10);
  if (end == text || !(*end == '\0' || g_str_equal (end, "L")))
    return defcn_pickle_machine_fail (m, "\"%.40s\" is not a whole number",
        text);
  return push_whole (m, number);
}

gboolean
defcn_pickle_atoms_decimal_float (DefcnPickleMachine *m, int unused)
{
  const char *line;
  gsize len;
  char *end;

  if (!defcn_pickle_machine_take_line (m, &line, &len))
    return FALSE;
  g_autofree char *text = g_strndup (line, len);
  const double real = g_ascii_strtod (text, &end);
  if (end == text || *end)
    return defcn_pickle_machine_fail (m, "\"%.40s\" is not a number", text);
  return push_real (m, real);
}

/* G: eight bytes, big-endian. */
gboolean
defcn_pickle_atoms_float (DefcnPickleMachine *m, int unused)
{
  const guint8 *bytes = defcn_pickle_machine_take (m, 8);
  guint64 bits;
  double real;

  if (!bytes)
    return FALSE;
  memcpy (&bits, bytes, 8);
  bits = GUINT64_FROM_BE (bits);
  memcpy (&real, &bits, 8);
  return push_real (m, real);
}

/* One backslash escape of protocol 0's strings at @s, before @end: the byte it
 * stands for into @text.  Returns: what follows it, NULL if it is none. */
static const char *
unescape (GString *text, const char *s, const char *end)
{
  static const char letters[] = "abfnrtv\\'\"", bytes[] = "\a\b\f\n\r\t\v\\'\"";
  const char *letter;

  if (s == end || *s == '\0')
    return NULL;
  if ((letter = strchr (letters, *s))) {
    g_string_append_c (text, bytes[letter - letters]);
    return s + 1;
  }
  if (*s == 'x') {
    const int high = end - s > 2 ? g_ascii_xdigit_value (s[1]) : -1;
    const int low = end - s > 2 ? g_ascii_xdigit_value (s[2]) : -1;

    if (high < 0 || low < 0)
      return NULL;
    g_string_append_c (text, (char) (16 * high + low));
    return s + 3;
  }
  return NULL;
}

/* S: a string in quotes, as Python 2's repr() writes it. */
gboolean
defcn_pickle_atoms_quoted (DefcnPickleMachine *m, int unused)
{
  const char *s;
  gsize len;

  if (!defcn_pickle_machine_take_line (m, &s, &len))
    return FALSE;
  if (len < 2 || s[0] != s[len - 1] || !strchr ("'\"", s[0]) || s[0] == '\0')
    return defcn_pickle_machine_fail (m, "a string without quotes");

  GString *text = g_string_new (NULL);
  const char *end = s + len - 1;
  for (s++; s && s < end;) {
    if (*s == '\\')
      s = unescape (text, s + 1, end);
    else
      g_string_append_c (text, *s++);
  }
  if (!s) {
    g_string_free (text, TRUE);
    return defcn_pickle_machine_fail (m,
        "a string with an escape that is none");
  }
  return push_text (m, text);
}

gboolean
defcn_pickle_atoms_bytes (DefcnPickleMachine *m, int length_bytes)
{
  guint64 len;
  const guint8 *bytes;

  if (!defcn_pickle_machine_take_uint (m, &len, length_bytes)
      || !(bytes = defcn_pickle_machine_take (m, len)))
    return FALSE;
  return push_string (m, (const char *) bytes, len);
}

/* V: text up to the end of the line; names of tensors have no escapes. */
gboolean
defcn_pickle_atoms_line (DefcnPickleMachine *m, int unused)
{
  const char *line;
  gsize len;

  return defcn_pickle_machine_take_line (m, &line, &len)
      && push_string (m, line, len);
}

/* A name is a name: whatever it is of, it is looked up nowhere. */
static gboolean
push_name (DefcnPickleMachine *m, const char *module, gsize module_len,
    const char *name, gsize name_len)
{
  DefcnPickleValue *v = defcn_pickle_machine_value (m, DEFCN_PICKLE_GLOBAL);
  char *full = g_strdup_printf ("%.*s %.*s", (int) MIN (module_len, 100),
      module, (int) MIN (name_len, 100), name);

  g_ptr_array_add (m->texts, full);
  v->str = full;
  v->len = strlen (full);
  return defcn_pickle_machine_push (m, v);
}

gboolean
defcn_pickle_atoms_global_lines (DefcnPickleMachine *m, int unused)
{
  const char *module, *name;
  gsize module_len, name_len;

  return defcn_pickle_machine_take_line (m, &module, &module_len)
      && defcn_pickle_machine_take_line (m, &name, &name_len)
      && push_name (m, module, module_len, name, name_len);
}

gboolean
defcn_pickle_atoms_global (DefcnPickleMachine *m, int unused)
{
  const DefcnPickleValue *name = defcn_pickle_machine_pop (m),
                         *module = name ? defcn_pickle_machine_pop (m) : NULL;

  if (!module)
    return FALSE;
  if (name->type != DEFCN_PICKLE_STRING || module->type != DEFCN_PICKLE_STRING)
    return defcn_pickle_machine_fail (m, "a global without a name");
  return push_name (m, module->str, module->len, name->str, name->len);
}

gboolean
defcn_pickle_atoms_int (DefcnPickleMachine *m, int bytes)
{
  guint64 number;

  if (!defcn_pickle_machine_take_uint (m, &number, bytes))
    return FALSE;
  return push_whole (m, bytes == 4 ? (gint32) number : (gint64) number);
}

gboolean
defcn_pickle_atoms_long (DefcnPickleMachine *m, int bytes)
{
  guint64 n;

  return defcn_pickle_machine_take_uint (m, &n, bytes) && push_twos (m, n);
}

/* Text of code points below 256 to the bytes it stands for: how Python 3 puts
 * bytes into a pickle of protocol 2.  In UTF-8 they are ASCII, NUL included
 * (which GLib's functions do not take), or two bytes led by 0xc2 or 0xc3. */
gboolean
defcn_pickle_atoms_latin1 (DefcnPickleMachine *m,
    const DefcnPickleValue *encoded)
{
  GString *text = g_string_sized_new (encoded->len);
  const guint8 *s = (const guint8 *) encoded->str;
  gsize i = 0;

  while (i < encoded->len) {
    if (s[i] < 0x80) {
      g_string_append_c (text, (char) s[i++]);
    } else if ((s[i] & 0xfe) == 0xc2 && i + 1 < encoded->len
        && (s[i + 1] & 0xc0) == 0x80) {
      g_string_append_c (text, (char) ((s[i] & 3) << 6 | (s[i + 1] & 0x3f)));
      i += 2;
    } else {
      break;
    }
  }
  if (i == encoded->len)
    return push_text (m, text);
  g_string_free (text, TRUE);
  return defcn_pickle_machine_fail (m, "bytes that are none");
}
