/* Protocol Buffers' wire format: varints, and what they stand before. */
#include "protobuf.h"

#include <string.h>

enum
{
  WIRE_VARINT = 0,
  WIRE_LENGTH = 2,
  WIRE_FIXED32 = 5,
};

static void
append_varint (GByteArray *message, guint64 value)
{
  guint8 bytes[10];
  guint n = 0;

  for (; value >= 0x80; value >>= 7)
    bytes[n++] = (value & 0x7f) | 0x80;
  bytes[n++] = value;
  g_byte_array_append (message, bytes, n);
}

static void
append_key (GByteArray *message, int field, int wire)
{
  append_varint (message, (guint64) field << 3 | wire);
}

void
defcn_protobuf_int (GByteArray *message, int field, gint64 value)
{
  append_key (message, field, WIRE_VARINT);
  append_varint (message, value);
}

void
defcn_protobuf_float (GByteArray *message, int field, float value)
{
  guint32 word;

  memcpy (&word, &value, sizeof word);
  word = GUINT32_TO_LE (word);
  append_key (message, field, WIRE_FIXED32);
  g_byte_array_append (message, (const guint8 *) &word, sizeof word);
}

void
defcn_protobuf_header (GByteArray *message, int field, guint64 len)
{
  append_key (message, field, WIRE_LENGTH);
  append_varint (message, len);
}

void
defcn_protobuf_bytes (GByteArray *message, int field, gconstpointer data,
    gsize len)
{
  defcn_protobuf_header (message, field, len);
  g_byte_array_append (message, data, len);
}

void
defcn_protobuf_string (GByteArray *message, int field, const char *text)
{
  defcn_protobuf_bytes (message, field, text, strlen (text));
}

void
defcn_protobuf_message (GByteArray *message, int field, const GByteArray *value)
{
  defcn_protobuf_bytes (message, field, value->data, value->len);
}
