package import Base
package import BigCommerce

/// One app registration, as far as its callbacks need it.
package struct CallbackApp: Sendable {
  package let name: AppName
  package let clientID: String
  /// The first makes token requests; all verify signed payloads, so that a secret can be rotated.
  package let clientSecrets: [Secret<String>]
  package let requiredScopes: Scopes
  /// Raw paths that are this app's auth callbacks; `redirect_uri` is made of the one that was
  /// called.
  package let installPaths: Set<String>

  package init(
    name: AppName, clientID: String, clientSecrets: [Secret<String>], requiredScopes: Scopes,
    installPaths: Set<String>
  ) {
    self.name = name
    self.clientID = clientID
    self.clientSecrets = clientSecrets
    self.requiredScopes = requiredScopes
    self.installPaths = installPaths
  }
}

/// What the callbacks need to know about the deployment.
package struct CallbackSettings: Sendable {
  package let apps: [AppName: CallbackApp]
  /// The public origin, without a trailing slash: `redirect_uri` is this and the callback's path.
  package let appOrigin: String
  /// Where merchants go with a ticket; `nil` for our own page.
  package let appURL: String?
  package let loginOrigin: Origin
  package var timings = CallbackTimings()

  package init(
    apps: [CallbackApp], appOrigin: String, appURL: String?, loginOrigin: Origin,
    timings: CallbackTimings = CallbackTimings()
  ) {
    self.apps = Dictionary(apps.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    self.appOrigin = appOrigin
    self.appURL = appURL
    self.loginOrigin = loginOrigin
    self.timings = timings
  }
}

/// How long the steps of a callback may take.
///
/// Together they keep a merchant's wait under 20 s.
package struct CallbackTimings: Sendable {
  /// Waiting for a place among the exchanges in flight, and recording the attempt.
  package var begin: Duration = .seconds(5)
  /// One token request.
  package var exchange: Duration = .seconds(10)
  /// Both token requests, when the first encoding was not understood.
  package var exchanges: Duration = .seconds(13)
  /// Storing a token that is in the spool already; after that the replay does it.
  package var storeSpooled: Duration = .seconds(3)
  /// Storing a token that is nowhere but in memory.
  package var storeUnspooled: Duration = .seconds(30)
  /// One try of a transaction.
  package var transaction: Duration = .seconds(3)
  /// Waiting for the same install on another replica.
  package var running: Duration = .seconds(10)
  /// Between two looks at it.
  package var poll: Duration = .milliseconds(250)
  /// How long a repetition shows the page of the first; later it says to open the app.
  package var samePage: Duration = .seconds(60)
  /// After this an attempt that still runs is lost: no exchange can take that long.
  package var overdue: Duration = .seconds(60)
  /// Carrying out an uninstall or a removal before it goes to the spool.
  package var ending: Duration = .seconds(3)
  /// Loading, all tries together.
  package var load: Duration = .seconds(5)

  package init() {}
}
