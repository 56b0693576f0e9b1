/* Which way up a picture is, by EXIF. */
#include "exif.h"

#include <string.h>

#define ORIENTATION 0x0112

static guint
read_u16 (const guint8 *p, gboolean big)
{
  return big ? p[0] << 8 | p[1] : p[1] << 8 | p[0];
}

static guint32
read_u32 (const guint8 *p, gboolean big)
{
  return big ? read_u16 (p, TRUE) << 16 | read_u16 (p + 2, TRUE)
             : read_u16 (p + 2, FALSE) << 16 | read_u16 (p, FALSE);
}

int
defcn_exif_orientation (const guint8 *tiff, gsize size)
{
  if (size < 8
      || (memcmp (tiff, "II*\0", 4) != 0 && memcmp (tiff, "MM\0*", 4) != 0))
    return 1;

  const gboolean big = tiff[0] == 'M';
  const guint32 ifd = read_u32 (tiff + 4, big);
  if (ifd > size - 2)
    return 1;

  const guint count = read_u16 (tiff + ifd, big);
  for (guint i = 0; i < count; i++) {
    const gsize at = (gsize) ifd + 2 + 12 * i;

    if (at + 12 > size)
      return 1;
    if (read_u16 (tiff + at, big) == ORIENTATION) {
      const guint value = read_u16 (tiff + at + 8, big);

      return value >= 1 && value <= 8 ? value : 1;
    }
  }
  return 1;
}
