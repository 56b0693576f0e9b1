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

static void
skip_to (DefcnScan *scan, guint8 stop)
{
  while (scan->at < scan->end && !(stops[(guint8) *scan->at] & stop))
    scan->at++;
}

int
defcn_scan_peek (DefcnScan *scan)
{
  while (scan->at < scan->end
      && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r'
          || *scan->at == '\n'))
    scan->at++;
  return scan->at < scan->end ? (guint8) *scan->at : -1;
}

gboolean
defcn_scan_take (DefcnScan *scan, char c)
{
  if (defcn_scan_peek (scan) != (guint8) c)
    return FALSE;
  scan->at++;
  return TRUE;
}

gboolean
defcn_scan_string (DefcnScan *scan, DefcnSpan *inside)
{
  if (!defcn_scan_take (scan, '"'))
    return FALSE;
  for (const char *p = scan->at; p < scan->end; p++) {
    if (*p == '\\') {
      p++; /* an escaped quote ends nothing */
    } else if (*p == '"') {
      if (inside)
        *inside = (DefcnSpan){ scan->at, p - scan->at };
      scan->at = p + 1;
      return TRUE;
    }
  }
  scan->at = scan->end;
  return FALSE;
}

gboolean
defcn_scan_value (DefcnScan *scan)
{
  int c = defcn_scan_peek (scan);
  gsize depth = 0;

  if (c == '"')
    return defcn_scan_string (scan, NULL);
  if (c != '{' && c != '[') {
    const char *start = scan->at;

    skip_to (scan, STOP_PLAIN);
    return scan->at > start;
  }
  for (; scan->at < scan->end; skip_to (scan, STOP_NESTED)) {
    if (*scan->at == '"') {
      if (!defcn_scan_string (scan, NULL))
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

gboolean
defcn_span_equal (const DefcnSpan *span, const char *text)
{
  return strlen (text) == span->len
      && memcmp (span->start, text, span->len) == 0;
}

gboolean
defcn_scan_object (DefcnScan *scan, GString *copy, const char *key,
    DefcnSpan *value)
{
  *value = (DefcnSpan){ 0 };
  g_string_truncate (copy, 0);
  if (defcn_scan_peek (scan) != '{')
    return FALSE;

  const char *from = scan->at++; /* not copied yet */
  while (defcn_scan_peek (scan) != '}') {
    DefcnSpan name;

    if (!defcn_scan_string (scan, &name) || !defcn_scan_take (scan, ':'))
      return FALSE;
    defcn_scan_peek (scan);
    const char *start = scan->at;
    if (!defcn_scan_value (scan))
      return FALSE;
    if (defcn_span_equal (&name, key)) {
      *value = (DefcnSpan){ start, scan->at - start };
      g_string_append_len (copy, from, start - from);
      g_string_append_c (copy, '0');
      from = scan->at;
    }
    if (!defcn_scan_take (scan, ',') && defcn_scan_peek (scan) != '}')
      return FALSE;
  }
  scan->at++;
  g_string_append_len (copy, from, scan->at - from);
  return TRUE;
}
