import Install

/// What a page says, in plain words.
struct PageText: Equatable {
  enum Tone: String {
    case good, bad, calm
  }

  let tone: Tone
  let title: String
  let lead: String
  var steps: [String] = []

  init(_ tone: Tone, _ title: String, _ lead: String, steps: [String] = []) {
    self.tone = tone
    self.title = title
    self.lead = lead
    self.steps = steps
  }

  init(_ kind: MerchantPage.Kind) {
    switch kind {
    case .connected:
      self.init(
        .good, "Your store is connected",
        "The app is installed and ready. You find it in your control panel under Apps.")
    case .alreadyConnected:
      self.init(
        .good, "Your store is connected",
        "This install was finished before. Open the app from your control panel under Apps.")
    case .opened:
      self.init(.good, "Connected and ready", "The app is connected to your store and working.")
    case .failed(let failure): self.init(failure)
    }
  }

  private init(_ failure: MerchantPage.Failure) {
    switch failure {
    case .malformedLink:
      self.init(
        .bad, "This link is not complete",
        "Something is missing from the address of this page. Please open the app from your control panel under Apps."
      )
    case .linkNotVerified:
      self.init(
        .bad, "This link could not be verified",
        "It may have expired, or it belongs to another app. Please open the app again from your control panel under Apps."
      )
    case .connectionLost:
      self = .reinstall("The connection was interrupted before it was complete.")
    case .codeRefused:
      self = .reinstall(
        "BigCommerce did not accept this install. The link may have been used before.")
    case .installRunning:
      self.init(
        .calm, "The install is still running",
        "Please wait a moment, then open the app from your control panel under Apps.")
    case .databaseAway:
      self.init(
        .bad, "We cannot be reached right now",
        "Nothing was lost. Please wait a minute, then reload this page.")
    case .loginAway:
      self.init(
        .bad, "BigCommerce did not answer",
        "The install could not be finished. Please go back to your control panel and install the app again in a few minutes.",
        steps: PageText.reinstallSteps)
    case .tooManyAttempts:
      self.init(
        .calm, "Too many attempts at once",
        "Please wait a minute, then reload this page.")
    case .userRemoved:
      self.init(
        .bad, "You no longer have access to this app",
        "Your access was removed. The store's owner can give it back in the control panel.")
    case .notConnected: self = .reinstall("This store is not connected to the app.")
    case .suspended:
      self.init(
        .calm, "The app is paused for this store",
        "Its operator has paused it. Please contact support.")
    case .internalFault:
      self.init(
        .bad, "Something went wrong on our side",
        "It has been recorded. Please try again in a few minutes; if it happens again, tell support the reference below."
      )
    }
  }

  /// BigCommerce offers no other way to a new token.
  private static func reinstall(_ reason: String) -> PageText {
    PageText(
      .bad, "The app is not connected", reason + " Installing it again connects it:",
      steps: reinstallSteps)
  }

  private static let reinstallSteps = [
    "Open Apps in your control panel.", "Uninstall the app if it is listed there.",
    "Install the app again.",
  ]
}
