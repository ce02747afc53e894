import NIOSSL
import Synchronization

/// Why the PEM files of a listener cannot be used.
package enum TLSIdentityError: Error, Equatable {
  /// The certificate chain cannot be read; the text names the file and NIOSSL's reason.
  case certificate(String)
  /// The private key cannot be read.
  case key(String)
  /// The client certificate authorities cannot be read.
  case clientAuthorities(String)
  /// The parts do not fit together, such as a key of another certificate.
  case mismatch(String)
}

/// A listener's certificate and key, from PEM files that may be read again while it runs.
package final class TLSIdentity: Sendable {
  /// Where the PEM files are.
  package struct Files: Hashable, Sendable {
    package let certificate: String
    package let key: String
    /// When given, every client must present a certificate that one of these issued.
    package let clientAuthorities: String?

    package init(certificate: String, key: String, clientAuthorities: String? = nil) {
      self.certificate = certificate
      self.key = key
      self.clientAuthorities = clientAuthorities
    }
  }

  private let files: Files
  private let current: Mutex<NIOSSLContext>

  package init(files: Files) throws(TLSIdentityError) {
    self.files = files
    current = Mutex(try Self.load(files))
  }

  /// Reads the files again; connections from now on use what they hold.
  ///
  /// When they cannot be used, the identity stays as it is.
  package func reload() throws(TLSIdentityError) {
    let context = try Self.load(files)
    current.withLock { $0 = context }
  }

  var context: NIOSSLContext { current.withLock { $0 } }

  private static func load(_ files: Files) throws(TLSIdentityError) -> NIOSSLContext {
    var configuration: TLSConfiguration
    let chain: [NIOSSLCertificate]
    do {
      chain = try NIOSSLCertificate.fromPEMFile(files.certificate)
    } catch {
      throw .certificate("\(files.certificate): \(error)")
    }
    let key: NIOSSLPrivateKey
    do {
      key = try NIOSSLPrivateKey(file: files.key, format: .pem)
    } catch {
      throw .key("\(files.key): \(error)")
    }
    configuration = .makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["http/1.1"]
    if let path = files.clientAuthorities {
      do {
        configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(path))
      } catch {
        throw .clientAuthorities("\(path): \(error)")
      }
      configuration.certificateVerification = .noHostnameVerification
    }
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw .mismatch("\(files.certificate), \(files.key): \(error)")
    }
  }
}
