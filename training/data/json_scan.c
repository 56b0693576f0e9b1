/* Walks over JSON text without building it. */
#include "json_scan.h"

#include <string.h>

/* What the walk stops at: quotes and brackets everywhere, what ends a number
 * or a word outside of brackets. */
enum
{
  STOP_NESTED = 1,
  STOP_PLAIN = 2
};

static const guint8 stops[256] = {
  ['"'] = STOP_NESTED | STOP_PLAIN,
  ['{'] = STOP_NESTED | STOP_PLAIN,
  ['['] = STOP_NESTED | STOP_PLAIN,
  ['}'] = STOP_NESTED | STOP_PLAIN,
  [']'] = STOP_NESTED | STOP_PLAIN,
  [','] = STOP_PLAIN,
  [':'] = STOP_PLAIN,
  [' '] = STOP_PLAIN,
  ['\t'] = STOP_PLAIN,
  ['\r'] = STOP_PLAIN,
  ['\n'] = STOP_PLAIN,
};

#define EVERY_BYTE(value) (~G_GUINT64_CONSTANT (0) / 255 * (value))

/* Whether one of eight bytes may be a quote or a bracket.  Brackets have bit 6;
 * of what numbers are made of only an exponent has. */
static gboolean
may_stop (const char *p)
{
  guint64 bytes, quotes;

  memcpy (&bytes, p, sizeof bytes);
  quotes = bytes ^ EVERY_BYTE ('"');
  quotes = (quotes - EVERY_BYTE (1)) & ~quotes & EVERY_BYTE (0x80);
  return ((bytes & EVERY_BYTE (0x40)) | quotes) != 0;
}

static void
skip_to (DefcnJsonScan *scan, guint8 stop)
{
  const char *p = scan->at;

  while (p < scan->end) {
    if (stop == STOP_NESTED)
      while (scan->end - p >= 8 && !may_stop (p))
        p += 8;
    for (int i = 0; i < 8 && p < scan->end; i++, p++) {
      if (stops[(guint8) *p] & stop) {
        scan->at = p;
        return;
      }
    }
  }
  scan->at = p;
}

int
defcn_json_scan_peek (DefcnJsonScan *scan)
{
  while (scan->at < scan->end
      && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r'
          || *scan->at == '\n'))
    scan->at++;
  return scan->at < scan->end ? (guint8) *scan->at : -1;
}

gboolean
defcn_json_scan_take (DefcnJsonScan *scan, char c)
{
  if (defcn_json_scan_peek (scan) != (guint8) c)
    return FALSE;
  scan->at++;
  return TRUE;
}

gboolean
defcn_json_scan_string (DefcnJsonScan *scan, DefcnJsonSpan *inside)
{
  if (!defcn_json_scan_take (scan, '"'))
    return FALSE;
  for (const char *p = scan->at; p < scan->end; p++) {
    if (*p == '\\') {
      p++; /* an escaped quote ends nothing */
    } else if (*p == '"') {
      if (inside)
        *inside = (DefcnJsonSpan){ scan->at, p - scan->at };
      scan->at = p + 1;
      return TRUE;
    }
  }
  scan->at = scan->end;
  return FALSE;
}

gboolean
defcn_json_scan_value (DefcnJsonScan *scan)
{
  int c = defcn_json_scan_peek (scan);
  gsize depth = 0;

  if (c == '"')
    return defcn_json_scan_string (scan, NULL);
  if (c != '{' && c != '[') {
    const char *start = scan->at;

    skip_to (scan, STOP_PLAIN);
    return scan->at > start;
  }
  for (; scan->at < scan->end; skip_to (scan, STOP_NESTED)) {
    if (*scan->at == '"') {
      if (!defcn_json_scan_string (scan, NULL))
        return FALSE;
      continue;
    }
    if (*scan->at == '{' || *scan->at == '[')
      depth++;
    else
      depth--;
    scan->at++;
    if (depth == 0)
      return TRUE;
  }
  return FALSE;
}

/* Digits into @mantissa, as long as it has room for them; *@dropped counts the
 * others.  Returns: how many there were. */
static int
take_digits (DefcnJsonScan *scan, guint64 *mantissa, int *dropped)
{
  const char *start = scan->at;

  for (; scan->at < scan->end && g_ascii_isdigit (*scan->at); scan->at++) {
    if (*mantissa < 100000000000000)
      *mantissa = *mantissa * 10 + (*scan->at - '0');
    else
      (*dropped)++;
  }
  return scan->at - start;
}

static double
slow_number (const char *start, const char *end)
{
  g_autofree char *text = g_strndup (start, end - start);

  return g_ascii_strtod (text, NULL);
}

gboolean
defcn_json_scan_number (DefcnJsonScan *scan, double *value)
{
  static const double powers[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8,
    1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
    1e22 };
  guint64 mantissa = 0;
  int dropped = 0, fraction = 0;

  defcn_json_scan_peek (scan);
  const char *start = scan->at;
  const gboolean negative = start < scan->end && *start == '-';
  scan->at += negative;
  const char *digits = scan->at;
  const int whole = take_digits (scan, &mantissa, &dropped);
  if (whole == 0 || (whole > 1 && *digits == '0'))
    return FALSE;
  if (scan->at < scan->end && *scan->at == '.') {
    scan->at++;
    fraction = take_digits (scan, &mantissa, &dropped);
    if (fraction == 0)
      return FALSE;
  }
  if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E')) {
    scan->at++;
    if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
      scan->at++;
    if (take_digits (scan, &mantissa, &dropped) == 0)
      return FALSE;
    dropped++; /* not for the fast way */
  }
  /* Both are exact, so the division is rounded once, as it should be. */
  if (dropped == 0 && fraction < (int) G_N_ELEMENTS (powers))
    *value = (negative ? -1.0 : 1.0) * mantissa / powers[fraction];
  else
    *value = slow_number (start, scan->at);
  return TRUE;
}

gboolean
defcn_json_scan_equal (const DefcnJsonSpan *span, const char *text)
{
  return strlen (text) == span->len
      && memcmp (span->start, text, span->len) == 0;
}

gboolean
defcn_json_scan_object (DefcnJsonScan *scan, GString *copy, const char *key,
    DefcnJsonSpan *value)
{
  *value = (DefcnJsonSpan){ 0 };
  g_string_truncate (copy, 0);
  if (defcn_json_scan_peek (scan) != '{')
    return FALSE;

  const char *from = scan->at++; /* not copied yet */
  while (defcn_json_scan_peek (scan) != '}') {
    DefcnJsonSpan name;

    if (!defcn_json_scan_string (scan, &name)
        || !defcn_json_scan_take (scan, ':'))
      return FALSE;
    defcn_json_scan_peek (scan);
    const char *start = scan->at;
    if (!defcn_json_scan_value (scan))
      return FALSE;
    if (defcn_json_scan_equal (&name, key)) {
      *value = (DefcnJsonSpan){ start, scan->at - start };
      g_string_append_len (copy, from, start - from);
      g_string_append_c (copy, '0');
      from = scan->at;
    }
    if (!defcn_json_scan_take (scan, ',') && defcn_json_scan_peek (scan) != '}')
      return FALSE;
  }
  scan->at++;
  g_string_append_len (copy, from, scan->at - from);
  return TRUE;
}
