/* WebP by libwebp, in. */
#include "webp.h"

#include "error.h"
#include "exif.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

gboolean
defcn_webp_is (const guint8 *data, gsize len)
{
  return len >= 12 && memcmp (data, "RIFF", 4) == 0
      && memcmp (data + 8, "WEBP", 4) == 0;
}

/* The chunk may begin as JPEG's does. */
static int
orientation (const DefcnDecoded *d)
{
  const WebPData file = { d->data, d->len };
  WebPDemuxer *demuxer = WebPDemux (&file);
  WebPChunkIterator chunk;
  int found = 1;

  if (demuxer && WebPDemuxGetChunk (demuxer, "EXIF", 1, &chunk)) {
    const guint8 *tiff = chunk.chunk.bytes;
    gsize size = chunk.chunk.size;

    if (size >= 6 && memcmp (tiff, "Exif\0\0", 6) == 0) {
      tiff += 6;
      size -= 6;
    }
    found = defcn_exif_orientation (tiff, size);
    WebPDemuxReleaseChunkIterator (&chunk);
  }
  WebPDemuxDelete (demuxer);
  return found;
}

static gboolean
fail (const DefcnDecoded *d, const char *what, GError **error)
{
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_FORMAT, "%s: %s", d->path, what);
  return FALSE;
}

gboolean
defcn_webp_read (DefcnDecoded *d, GError **error)
{
  WebPBitstreamFeatures features;

  if (WebPGetFeatures (d->data, d->len, &features) != VP8_STATUS_OK)
    return fail (d, "damaged WebP", error);
  if (features.has_animation)
    return fail (d, "an animated WebP is no picture", error);
  if (!defcn_decoded_allocate (d, features.width, features.height, error))
    return FALSE;
  if (!WebPDecodeRGBInto (d->data, d->len, d->rgb,
          (gsize) d->width * d->height * 3, d->width * 3))
    return fail (d, "damaged or cut off WebP", error);
  d->orientation = orientation (d);
  return TRUE;
}
