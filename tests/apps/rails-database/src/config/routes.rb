get "up" => "rails/health#show"
