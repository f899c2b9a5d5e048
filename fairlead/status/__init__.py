"""What the mesh says about its objects: conditions of their statuses, and Events; one replica writes them."""
