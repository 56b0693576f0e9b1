/* Walks over JSON text without building it, for files whose tree would not fit
 * into memory.  Brackets and strings are followed, values are not checked: what
 * is kept goes through cJSON.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  const char *at, *end; /* what is left; at <= end always */
} DefcnJsonScan;

/* A piece of the text, borrowed. */
typedef struct
{
  const char *start;
  gsize len;
} DefcnJsonSpan;

/* The next character that is no white space, without taking it; -1 at the
 * end. */
int defcn_json_scan_peek (DefcnJsonScan *scan);
/* Takes @c if it comes next, white space before it too. */
gboolean defcn_json_scan_take (DefcnJsonScan *scan, char c);
/* Goes past a string or a value of any kind; FALSE where it is cut off.
 * @inside: what is between the quotes, escapes untouched; or NULL. */
gboolean defcn_json_scan_string (DefcnJsonScan *scan, DefcnJsonSpan *inside);
gboolean defcn_json_scan_value (DefcnJsonScan *scan);
/* Takes a number; FALSE where there is none of JSON's form.  Rounds as strtod()
 * does. */
gboolean defcn_json_scan_number (DefcnJsonScan *scan, double *value);
/* Goes past an object and copies it to @copy (emptied first) with 0 for the
 * value of the member @key.  @value: that value, start NULL where there is no
 * such member.  FALSE where it is cut off or no object. */
gboolean defcn_json_scan_object (DefcnJsonScan *scan, GString *copy,
    const char *key, DefcnJsonSpan *value);

gboolean defcn_json_scan_equal (const DefcnJsonSpan *span, const char *text);

G_END_DECLS
