package import Base

/// One callback request as it arrived: nothing is decoded yet.
package struct CallbackRequest: Sendable {
  /// The app that the route names; ``AppName/default`` for routes without a name.
  package let app: AppName
  /// The raw path as it arrived, byte for byte, without the query.
  ///
  /// `redirect_uri` is the public origin plus this text.
  package let path: String
  /// The raw query, without the `?`; empty when there is none.
  package let query: String
  package let requestID: RequestID
  /// Its trace; learns which store it is about.
  package let notes: RequestNotes
  /// The client's address, as the trusted proxies report it; for limits and audit.
  package let clientAddress: String

  package init(
    app: AppName, path: String, query: String, requestID: RequestID, notes: RequestNotes,
    clientAddress: String
  ) {
    self.app = app
    self.path = path
    self.query = query
    self.requestID = requestID
    self.notes = notes
    self.clientAddress = clientAddress
  }
}

/// What the caller of a callback is told.
package enum CallbackAnswer: Hashable, Sendable {
  /// An HTML page for the merchant, with the page's status.
  case page(MerchantPage)
  /// A redirect: 302 or 303, and where to.
  case redirect(status: Int, location: String)
  /// 200 with a small JSON body: the platform's uninstall or remove-user callback was taken.
  case acknowledged
  /// A problem body, for callbacks that a program reads (uninstall, remove-user).
  case refused(Problem)
}

/// The facts of a page that a merchant sees; the brand is the deployment's and is added by Web.
package struct MerchantPage: Hashable, Sendable {
  /// What the page tells.
  package enum Kind: Hashable, Sendable {
    /// The install succeeded; scopes that the app needs and the store did not grant are named.
    case connected(missingScopes: [String])
    /// The install had succeeded before this repetition: open the app from the control panel.
    case alreadyConnected
    /// The app was opened from the control panel.
    case opened(missingScopes: [String])
    /// It did not work; the status of the page is 400 or more.
    case failed(Failure)
  }

  /// Why it did not work, as far as the merchant can do something about it.
  package enum Failure: Hashable, Sendable, CaseIterable {
    /// The link was malformed or incomplete.
    case malformedLink
    /// The link could not be verified: forged, for another app, or expired.
    case linkNotVerified
    /// The code was spent and the token is lost: uninstall under Apps, install again.
    case connectionLost
    /// BigCommerce refused the code.
    case codeRefused
    /// The same install is still running: wait a moment, then open the app.
    case installRunning
    /// Our database is away; nothing was used up, so trying again works.
    case databaseAway
    /// BigCommerce's login host did not answer or answered nonsense.
    case loginAway
    /// Too many attempts, or too many at once: try again in a moment.
    case tooManyAttempts
    /// This user was removed from the app by the store's owner.
    case userRemoved
    /// The app is not installed on this store, or no longer.
    case notConnected
    /// An operator suspended the store.
    case suspended
    /// Anything else of ours; the log has the cause under the request ID.
    case internalFault
  }

  package let status: Int
  package let kind: Kind
  /// The store, once it is known for certain.
  package let store: StoreHash?

  package init(status: Int, kind: Kind, store: StoreHash? = nil) {
    self.status = status
    self.kind = kind
    self.store = store
  }
}
