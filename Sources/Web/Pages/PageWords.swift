import Install

/// What a page says, in plain language: what happened, and what to do about it.
struct PageWords: Equatable {
  enum Tone: String {
    case good
    case wait
    case bad
  }

  let title: String
  let lead: String
  var steps: [String] = []
  var tone = Tone.good

  init(_ title: String, _ lead: String, steps: [String] = [], tone: Tone = .good) {
    self.title = title
    self.lead = lead
    self.steps = steps
    self.tone = tone
  }

  init(_ kind: MerchantPage.Kind, brand: String) {
    switch kind {
    case .connected(let missing) where !missing.isEmpty:
      self.init(
        "\(brand) is connected",
        "Your store is connected, but not every permission was granted. You will find the app under Apps in your control panel."
      )
    case .opened(let missing) where !missing.isEmpty:
      self.init(
        "\(brand) is connected", "Your store is connected, but not every permission was granted.")
    case .connected:
      self.init(
        "\(brand) is connected",
        "Your store is connected, and nothing else needs to be set up here. You will find the app under Apps in your control panel."
      )
    case .alreadyConnected:
      self.init(
        "\(brand) is already connected",
        "The installation is complete. Open the app from Apps in your control panel.")
    case .opened:
      self.init(
        "\(brand) is connected", "Everything is in order. \(brand) is working with your store.")
    case .failed(let failure): self.init(failure, brand: brand)
    }
  }

  static func home(brand: String) -> PageWords {
    PageWords(
      brand, "This app works inside the BigCommerce control panel. Open it there, under Apps.")
  }

  private static let reinstall = [
    "In your control panel, open Apps, then My Apps.",
    "Uninstall the app.",
    "Install it again. Your store's data is not touched by this.",
  ]

  private static let reopen = [
    "In your control panel, open Apps, then My Apps.",
    "Open the app from there.",
  ]

  private init(_ failure: MerchantPage.Failure, brand: String) {
    switch failure {
    case .malformedLink:
      self.init(
        "This link is not complete",
        "A part of the link is missing, so it does not say which store it is for.",
        steps: Self.reopen, tone: .bad)
    case .linkNotVerified:
      self.init(
        "This link is no longer valid",
        "Links from the control panel are made for one app and work for a limited time. This one could not be verified.",
        steps: ["Reload your control panel."] + Self.reopen, tone: .bad)
    case .connectionLost:
      self.init(
        "The connection was not completed",
        "BigCommerce gave its permission, but it was lost on the way and cannot be fetched a second time. Installing again makes a new one.",
        steps: Self.reinstall, tone: .bad)
    case .codeRefused:
      self.init(
        "BigCommerce did not accept this installation",
        "The one-time code of this installation was used before or has expired.",
        steps: Self.reinstall, tone: .bad)
    case .installRunning:
      self.init(
        "Almost there",
        "The installation is still being completed. This takes a few seconds.",
        steps: ["Wait a moment."] + Self.reopen, tone: .wait)
    case .databaseAway:
      self.init(
        "We cannot complete this right now",
        "Our database cannot be reached at the moment. Nothing was used up and nothing is lost.",
        steps: ["Wait a minute.", "Reload this page."], tone: .wait)
    case .loginAway:
      self.init(
        "BigCommerce did not answer",
        "We asked BigCommerce to confirm the installation, and no usable answer came.",
        steps: [
          "Wait a few minutes, then open the app under Apps, My Apps.",
          "If it says that it is not connected, uninstall it there and install it again.",
        ], tone: .wait)
    case .tooManyAttempts:
      self.init(
        "One moment, please",
        "There were too many attempts in a short time. Nothing is wrong with your store.",
        steps: ["Wait a minute."] + Self.reopen, tone: .wait)
    case .userRemoved:
      self.init(
        "You no longer have access",
        "The store's owner has removed your account from \(brand).",
        steps: ["Ask the store's owner to give your account access to the app again."], tone: .bad)
    case .notConnected:
      self.init(
        "\(brand) is not connected to this store",
        "The store has no working connection to the app.",
        steps: Self.reinstall, tone: .bad)
    case .suspended:
      self.init(
        "The app is paused for this store",
        "\(brand) has been paused for your store by the people who run it.",
        steps: ["Get in touch with them to have it resumed."], tone: .wait)
    case .internalFault:
      self.init(
        "Something went wrong",
        "This is our fault. The people who run \(brand) can find the cause with the request ID below.",
        steps: ["Try again in a few minutes.", "If it happens again, ask for help."], tone: .bad)
    }
  }
}
