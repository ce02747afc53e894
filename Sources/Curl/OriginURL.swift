import Base
import CCurl

/// An origin as a URL that libcurl has parsed.
///
/// A URL that is given as text is parsed anew for every transfer.
@safe final class OriginURL {
  let origin: Origin
  /// libcurl reads it at each transfer and copies it; it stays ours.
  let raw: OpaquePointer

  init(_ origin: Origin) throws(CurlError) {
    guard let raw = unsafe curl_url() else {
      throw .failed(code: Int32(bitPattern: CURLE_OUT_OF_MEMORY.rawValue))
    }
    self.origin = origin
    unsafe self.raw = unsafe raw
    // Refuses a name or a password in the URL, which no origin has.
    let flags = UInt32(CURLU_DISALLOW_USER)
    let code = unsafe curl_url_set(raw, CURLUPART_URL, origin.text, flags)
    guard code == CURLUE_OK else {
      throw .failed(code: Int32(bitPattern: CURLE_URL_MALFORMAT.rawValue))
    }
  }

  deinit { unsafe curl_url_cleanup(raw) }
}
