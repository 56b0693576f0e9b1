/* What tests look for in a text. */
#pragma once

#include <string.h>

/* How often @text has @part, which is not empty. */
static inline int
text_count (const char *text, const char *part)
{
  int n = 0;

  for (; (text = strstr (text, part)); text += strlen (part))
    n++;
  return n;
}
